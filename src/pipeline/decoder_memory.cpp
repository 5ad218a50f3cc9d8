#include "pipeline/decoder_memory.h"

#include <limits>

#include "models/vae_plan.h"
#include "sd/models/vae_memory.h"

namespace sd {

DecoderMemory decoder_memory(const VaeConfig& config, int64_t height, int64_t width,
                             int64_t element) {
  const auto blocks =
      decoder_blocks(config, height / config.factor(), width / config.factor(), element);
  return {bytes_of_blocks(blocks, std::numeric_limits<int64_t>::max()),
          bytes_of_blocks(blocks, VaeMemory().most)};
}

}  // namespace sd
