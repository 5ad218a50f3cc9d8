// Decoding of whole pictures, small ones, so that the fuzzer's time goes into parsing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "sd/core/error.h"
#include "sd/image/metadata.h"
#include "sd/image/read.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  constexpr int64_t kPixels = 1 << 18;
  const auto file = std::as_bytes(std::span(bytes, size));
  try {
    const auto metadata = sd::parse_metadata(file);
    if (metadata.width > kPixels / metadata.height) return 0;
    const auto image = sd::decode_image(file);
    const auto count = static_cast<std::size_t>(image.width * image.height * image.channels);
    if (image.pixels.size() != count || count == 0) std::abort();
  } catch (const sd::IoError&) {
  }
  return 0;
}
