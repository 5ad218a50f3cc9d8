#include "pipeline/decoder_memory.h"

#include "models/vae_plan.h"

namespace sd {

DecoderMemory decoder_memory(const VaeConfig& config, int64_t height, int64_t width,
                             int64_t element) {
  const auto bytes = decoder_bytes(config, height, width, element);
  return {bytes.whole, bytes.planned};
}

}  // namespace sd
