#include <gtest/gtest.h>

#include "control/attention_scene.h"
#include "sd/control/chain.h"
#include "sd/control/map_recorder.h"
#include "sd/control/reweight.h"

namespace sd {
namespace {

using test::AttentionScene;
using test::distance;

std::shared_ptr<Reweight> doubling(int64_t token) {
  ReweightOptions options;
  options.weights = {{token, {2.0}}};
  return std::make_shared<Reweight>(options);
}

TEST(Chain, ItsOrderSaysWhichMapsARecorderSees) {
  const AttentionScene scene;
  const auto own = std::make_shared<MapRecorder>(), applied = std::make_shared<MapRecorder>();
  Chain chain({own, doubling(2), applied});
  ASSERT_EQ(chain.use(scene.call()), AttentionUse::kChange);
  const auto before = scene.probabilities();
  const auto after = chain.apply(before.clone(), scene.call());
  const auto mean = [&](const torch::Tensor& probs) {
    return scene.target(probs).mean(1).transpose(1, 2).view({1, 6, 2, 3});
  };
  EXPECT_LT(distance(own->layers().at(0).maps.sum, mean(before)), 1e-6);
  EXPECT_LT(distance(applied->layers().at(0).maps.sum, mean(after)), 1e-6);
  EXPECT_GT(distance(mean(after), mean(before)), 1e-3);
}

TEST(Chain, ObserversAloneLeaveTheFusedKernel) {
  const AttentionScene scene;
  const auto recorder = std::make_shared<MapRecorder>();
  Chain chain({recorder, std::make_shared<Reweight>(ReweightOptions{})});
  EXPECT_EQ(chain.use(scene.call()), AttentionUse::kObserve);
  EXPECT_FALSE(chain.observes(scene.rows[0], scene.call()));  // unconditional target
  EXPECT_TRUE(chain.observes(scene.rows[2], scene.call()));   // conditional target
  EXPECT_FALSE(chain.observes(scene.rows[3], scene.call()));  // conditional source
}

TEST(Chain, EmptyDoesNothing) {
  EXPECT_EQ(Chain({}).use(AttentionScene().call()), AttentionUse::kNone);
}

}  // namespace
}  // namespace sd
