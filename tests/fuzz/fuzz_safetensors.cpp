// A .safetensors file. The first 8 bytes, its header's length, are made to fit in half of the
// inputs.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/touch.h"
#include "sd/core/error.h"
#include "weights/byte_reader.h"
#include "weights/safetensors_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const auto input = std::as_bytes(std::span(bytes, size));
  std::vector<std::byte> file(input.begin() + 1, input.end());
  if (input[0] == std::byte{'0'} && file.size() >= 8) {
    // The header ends with the last brace of the file.
    const auto brace = sd::as_text(file).rfind('}');
    const uint64_t length = brace == std::string_view::npos || brace < 8 ? 0 : brace + 1 - 8;
    for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<std::byte>(length >> (8 * i));
  }
  try {
    sd::fuzz::touch_all(*sd::open_safetensors({file, nullptr}, "fuzz.safetensors"));
  } catch (const sd::CheckpointError&) {
  }
  return 0;
}
