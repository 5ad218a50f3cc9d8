// A checkpoint without a zip: what follows the three pickles at its start, which are put before it.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "fuzz/touch.h"
#include "sd/core/error.h"
#include "support/legacy_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  std::string file = sd::test::legacy_preamble();
  file.append(reinterpret_cast<const char*>(bytes), size);
  try {
    const auto contents = std::as_bytes(std::span(file.data(), file.size()));
    sd::fuzz::touch_all(*sd::open_legacy_ckpt({contents, nullptr}, "fuzz.ckpt"));
  } catch (const sd::CheckpointError&) {
  }
  return 0;
}
