#include <gtest/gtest.h>

#include <algorithm>

#include "core/attention_layers.h"

namespace sd {
namespace {

using Part = LayerName::Part;

std::vector<int64_t> blocks_of(const std::vector<AttentionLayer>& layers, Part part) {
  std::vector<int64_t> blocks;
  for (const auto& layer : layers) {
    if (layer.part == part) blocks.push_back(layer.block);
  }
  return blocks;
}

TEST(AttentionLayers, AreNumberedAsCheckpointsNumberStableDiffusions) {
  const auto layers = attention_layers({});
  EXPECT_EQ(layers.size(), 16u);
  EXPECT_EQ(blocks_of(layers, Part::kDown), (std::vector<int64_t>{1, 2, 4, 5, 7, 8}));
  EXPECT_EQ(blocks_of(layers, Part::kMiddle), std::vector<int64_t>{1});
  EXPECT_EQ(blocks_of(layers, Part::kUp), (std::vector<int64_t>{3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(layers.front().downsampling, 1);
  EXPECT_EQ(layers[6].downsampling, 8);
  EXPECT_EQ(layers[7].downsampling, 4);
}

TEST(AttentionLayers, AUnetWithoutItsMiddleHasNoneThere) {
  UNetConfig config;
  config.middle = UNetMiddle::kNone;
  EXPECT_TRUE(blocks_of(attention_layers(config), Part::kMiddle).empty());
}

TEST(AttentionLayers, SidesAreRoundedUpWhereTheyCannotBeHalved) {
  const auto below = [](int64_t downsampling) {
    AttentionLayer layer;
    layer.downsampling = downsampling;
    return layer;
  };
  EXPECT_EQ(side_of_layer(below(4), 64), 16);
  EXPECT_EQ(side_of_layer(below(4), 66), 17);
  EXPECT_EQ(side_of_layer(below(8), 72), 9);
}

}  // namespace
}  // namespace sd
