// EXIF of JPEG and WebP files, and every header that is read without decoding.
#include <cstddef>
#include <cstdint>
#include <span>

#include "sd/core/error.h"
#include "sd/image/exif.h"
#include "sd/image/metadata.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const auto file = std::as_bytes(std::span(bytes, size));
  sd::read_exif_user_comment(file);
  try {
    sd::parse_metadata(file);
  } catch (const sd::IoError&) {
  }
  return 0;
}
