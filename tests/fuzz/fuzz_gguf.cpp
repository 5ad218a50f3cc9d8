// A GGUF file, with every tensor dequantised.
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/touch.h"
#include "sd/core/error.h"
#include "weights/gguf_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const auto file = std::as_bytes(std::span(bytes, size));
  try {
    sd::fuzz::touch_all(*sd::open_gguf({file, nullptr}, "fuzz.gguf"));
  } catch (const sd::CheckpointError&) {
  }
  return 0;
}
