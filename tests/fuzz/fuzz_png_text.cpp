// Text chunks of a PNG. The fuzzer cannot guess check sums, so half of the inputs get right ones
// before they are read.
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "image/bytes.h"
#include "sd/core/error.h"
#include "sd/image/metadata.h"
#include "sd/image/png.h"

namespace {

/// Corrects the check sum of every whole chunk behind the signature.
void repair_check_sums(std::vector<std::byte>& file) {
  std::size_t at = 8;
  while (const auto length = sd::read_unsigned(file, at, 4, true)) {
    const auto checked = sd::slice(file, at + 4, std::size_t{4} + *length);
    const std::size_t end = at + 8 + *length;
    if (!checked || !sd::slice(file, end, 4)) return;
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(checked->data()), checked->size());
    for (std::size_t i = 0; i < 4; ++i) file[end + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
    at = end + 4;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const auto input = std::as_bytes(std::span(bytes, size));
  std::vector<std::byte> file(input.begin() + 1, input.end());
  if (input[0] == std::byte{0}) repair_check_sums(file);
  try {
    sd::read_png_texts(file);
  } catch (const sd::IoError&) {
  }
  try {
    sd::parse_metadata(file);
  } catch (const sd::IoError&) {
  }
  return 0;
}
