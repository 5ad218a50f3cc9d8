#include "core/attention_layers.h"

#include <algorithm>

namespace sd {
namespace {

bool attends_at(const UNetConfig& config, int64_t downsampling) {
  return std::ranges::find(config.attention_resolutions, downsampling) !=
         config.attention_resolutions.end();
}

}  // namespace

std::string_view name_of(LayerName::Part part) {
  return part == LayerName::Part::kDown ? "down" : part == LayerName::Part::kUp ? "up" : "middle";
}

std::vector<AttentionLayer> attention_layers(const UNetConfig& config) {
  using Part = LayerName::Part;
  std::vector<AttentionLayer> layers;
  const auto add = [&](Part part, int64_t block, int64_t downsampling) {
    for (int64_t depth = 0; depth < config.transformer_depth; ++depth)
      layers.push_back({part, block, depth, downsampling});
  };
  const auto levels = static_cast<int64_t>(config.channel_mult.size());
  int64_t block = 1;  // the first one is a convolution
  for (int64_t level = 0; level < levels; ++level) {
    for (int64_t i = 0; i < config.num_res_blocks; ++i, ++block) {
      if (attends_at(config, int64_t{1} << level)) add(Part::kDown, block, int64_t{1} << level);
    }
    ++block;  // the downsampling
  }
  if (config.middle == UNetMiddle::kFull) add(Part::kMiddle, 1, int64_t{1} << (levels - 1));
  block = 0;
  for (int64_t level = levels; level-- > 0;) {
    for (int64_t i = 0; i <= config.num_res_blocks; ++i, ++block) {
      if (attends_at(config, int64_t{1} << level)) add(Part::kUp, block, int64_t{1} << level);
    }
  }
  return layers;
}

int64_t side_of_layer(const AttentionLayer& layer, int64_t side) {
  return (side + layer.downsampling - 1) / layer.downsampling;
}

}  // namespace sd
