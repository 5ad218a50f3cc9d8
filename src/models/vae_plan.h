#pragma once

#include <cstdint>
#include <vector>

#include "sd/core/model_config.h"

namespace sd {

/// How a residual block of the autoencoder is computed, from the fastest to what needs the least
/// memory.
enum class BlockPlan {
  kWhole,     // its input, then what lies between its convolutions, then its output
  kSkipHeld,  // the upsampled input is never all there: it is made twice, in bands
  kInPlace,   // the output takes the place of the input or of what lies between its convolutions
};

/// Bytes of a block's maps.
struct BlockMaps {
  int64_t source = 0;  // what is stored: the input, or what it is upsampled from
  int64_t input = 0, output = 0;
  bool changes = false;    // channels; a convolution stands in the shortcut
  bool upsampled = false;  // the input comes from an upsampling convolution

  int64_t bytes(BlockPlan plan) const;
  /// The first plan that needs no more than `most`, else the last.
  BlockPlan plan(int64_t most) const;
};

/// Of all blocks behind the middle ones, in order, for latents of this size and elements of so many
/// bytes.
std::vector<BlockMaps> decoder_blocks(const VaeConfig& config, int64_t height, int64_t width,
                                      int64_t element);
/// Of all blocks before the middle ones, in order, for pictures of this size.
std::vector<BlockMaps> encoder_blocks(const VaeConfig& config, int64_t height, int64_t width,
                                      int64_t element);

/// What maps need at most where each block has to do with `most`, without what bands take.
int64_t bytes_of_blocks(const std::vector<BlockMaps>& blocks, int64_t most);

}  // namespace sd
