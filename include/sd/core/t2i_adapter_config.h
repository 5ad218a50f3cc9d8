#pragma once

#include <cstdint>
#include <vector>

namespace sd {

/// A T2I-Adapter (arXiv:2302.08453) by what its file shows.
struct T2IAdapterConfig {
  /// One residual block: halved? → in_conv? → x + block2(ReLU(block1(x))), block1 being 3x3.
  struct Block {
    int64_t in = 0, out = 0;
    int64_t in_kernel = 0;        // 0: there is no in_conv
    int64_t out_kernel = 1;       // of block2
    bool halves = false;          // before all else
    bool halves_by_conv = false;  // down_opt.op; else by means of 2x2
    bool operator==(const Block&) const = default;
  };
  /// A level of the light kind: 1x1 → residual blocks → 1x1.
  struct LightLevel {
    int64_t in = 0, inner = 0, out = 0, blocks = 0;
    bool operator==(const LightLevel&) const = default;
  };
  int64_t unshuffled = 64;  // channels of the picture's 8x8 blocks: 64 of grey, 192 of RGB
  int64_t first = 0;        // channels of conv_in's output; 0: the light kind, which has none
  std::vector<std::vector<Block>> levels;  // of the full kind
  std::vector<LightLevel> light;

  bool is_light() const { return first == 0; }
  int64_t picture_channels() const { return unshuffled / 64; }
  /// Channels of the feature of each level.
  std::vector<int64_t> widths() const {
    std::vector<int64_t> out;
    for (const auto& level : levels) out.push_back(level.back().out);
    for (const auto& level : light) out.push_back(level.out);
    return out;
  }
  bool operator==(const T2IAdapterConfig&) const = default;
};

}  // namespace sd
