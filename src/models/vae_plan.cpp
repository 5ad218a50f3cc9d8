#include "models/vae_plan.h"

#include <algorithm>

namespace sd {

int64_t BlockMaps::bytes(BlockPlan plan) const {
  switch (plan) {
    case BlockPlan::kWhole:
      break;
    case BlockPlan::kSkipHeld:
      return source + 2 * output;
    case BlockPlan::kInPlace:
      if (changes) return source + output;
      return upsampled ? source + input : input;
  }
  return input + (changes ? 2 : 1) * output;
}

BlockPlan BlockMaps::plan(int64_t most) const {
  if (bytes(BlockPlan::kWhole) <= most) return BlockPlan::kWhole;
  if (changes && upsampled && bytes(BlockPlan::kSkipHeld) <= most) return BlockPlan::kSkipHeld;
  return BlockPlan::kInPlace;
}

std::vector<BlockMaps> decoder_blocks(const VaeConfig& config, int64_t height, int64_t width,
                                      int64_t element) {
  std::vector<BlockMaps> blocks;
  int64_t pixel = element * height * width;  // bytes of a channel
  int64_t channels = config.channels * config.channel_mult.back();
  int64_t source = pixel * channels;
  for (auto mult = config.channel_mult.rbegin(); mult != config.channel_mult.rend(); ++mult) {
    const bool upsampled = mult != config.channel_mult.rbegin();
    const int64_t out = config.channels * *mult;
    if (upsampled) pixel *= 4;
    for (int64_t i = 0; i <= config.num_res_blocks; ++i) {
      const int64_t input = pixel * channels;
      const bool first = upsampled && i == 0;
      blocks.push_back({.source = first ? source : input,
                        .input = input,
                        .output = pixel * out,
                        .changes = channels != out,
                        .upsampled = first});
      channels = out;
    }
    source = pixel * channels;
  }
  return blocks;
}

std::vector<BlockMaps> encoder_blocks(const VaeConfig& config, int64_t height, int64_t width,
                                      int64_t element) {
  std::vector<BlockMaps> blocks;
  int64_t pixel = element * height * width;
  int64_t channels = config.channels;
  for (const int64_t mult : config.channel_mult) {
    const int64_t out = config.channels * mult;
    for (int64_t i = 0; i < config.num_res_blocks; ++i) {
      blocks.push_back({.source = pixel * channels,
                        .input = pixel * channels,
                        .output = pixel * out,
                        .changes = channels != out});
      channels = out;
    }
    pixel /= 4;
  }
  return blocks;
}

int64_t bytes_of_blocks(const std::vector<BlockMaps>& blocks, int64_t most) {
  int64_t bytes = 0;
  for (const auto& block : blocks) bytes = std::max(bytes, block.bytes(block.plan(most)));
  return bytes;
}

}  // namespace sd
