#pragma once

#include <cstdint>

#include "sd/core/model_config.h"

namespace sd {

/// Bytes that the decoder's maps take at most on a CPU: if all were whole, and as they are
/// computed.
struct DecoderMemory {
  int64_t whole = 0, planned = 0;
  bool in_bands() const { return planned < whole; }
};

/// Of a picture of so many pixels, with maps of `element` bytes a value.
DecoderMemory decoder_memory(const VaeConfig& config, int64_t height, int64_t width,
                             int64_t element);

}  // namespace sd
