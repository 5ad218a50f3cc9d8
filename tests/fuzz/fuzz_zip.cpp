// A zip archive as the .ckpt reader meets it: its directory, every entry unpacked, and the tensors
// that it may hold.
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/touch.h"
#include "sd/core/error.h"
#include "weights/ckpt_source.h"
#include "weights/zip_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const auto input = std::as_bytes(std::span(bytes, size));
  try {
    const sd::ZipArchive archive(input, "fuzz.ckpt");
    for (const sd::ZipEntry& entry : archive.entries()) {
      sd::fuzz::touch(entry.packed);
      try {
        if (entry.deflated) archive.inflate(entry);
      } catch (const sd::CheckpointError&) {
      }
    }
  } catch (const sd::CheckpointError&) {
    return 0;
  }
  try {
    sd::fuzz::touch_all(*sd::open_ckpt({input, nullptr}, "fuzz.ckpt"));
  } catch (const sd::CheckpointError&) {
  }
  return 0;
}
