#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "nn/layer_profile.h"
#include "sd/nn/layers.h"

namespace sd {
namespace {

TEST(LayerProfile, NotesWhatALayerWasGivenAndItsFlops) {
  Linear layer(4, 5);
  layer->bind("weight", at::randn({5, 4}));
  layer->bind("bias", at::randn({5}));
  const LayerProfile profile;
  layer->forward(at::randn({2, 3, 4}));
  const auto events = profile.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].layer, layer.get());
  EXPECT_EQ(events[0].kind, "linear");
  EXPECT_EQ(events[0].input, (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(events[0].flops, 2.0 * 6 * 4 * 5);
  EXPECT_LE(events[0].begin, events[0].end);
}

TEST(LayerProfile, CountsThePlacesThatAStrideVisits) {
  Conv2d layer(3, 5, 3, 2, 1);
  layer->bind("weight", at::randn({5, 3, 3, 3}));
  layer->bind("bias", at::randn({5}));
  const LayerProfile profile;
  layer->forward(at::randn({2, 3, 8, 6}));
  EXPECT_EQ(profile.events().at(0).flops, 2.0 * (2 * 4 * 3) * 3 * 9 * 5);
}

TEST(LayerProfile, NotesNothingThatRanBeforeOrAfter) {
  LayerNorm layer(4);
  layer->bind("weight", at::randn({4}));
  layer->bind("bias", at::randn({4}));
  const auto x = at::randn({2, 4});
  layer->forward(x);
  {
    const LayerProfile profile;
    EXPECT_TRUE(profile.events().empty());
  }
  layer->forward(x);
  EXPECT_EQ(LayerProfile::active(), nullptr);
}

}  // namespace
}  // namespace sd
