// A pickle inside an archive that is right: the check sum of data.pkl, which a fuzzer cannot guess,
// is made to fit.
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/touch.h"
#include "sd/core/error.h"
#include "support/zip_writer.h"
#include "weights/ckpt_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  sd::test::ZipFile pickle;
  pickle.name = "a/data.pkl";
  pickle.contents.assign(reinterpret_cast<const char*>(bytes), size);
  // The sizes of the seeds' storages.
  sd::test::ZipFile six_halves;
  six_halves.name = "a/data/0";
  six_halves.contents.assign(12, 'x');
  sd::test::ZipFile two_halves;
  two_halves.name = "a/data/1";
  two_halves.contents.assign(4, 'x');
  const std::string archive = sd::test::write_zip({pickle, six_halves, two_halves});
  try {
    const auto contents = std::as_bytes(std::span(archive.data(), archive.size()));
    sd::fuzz::touch_all(*sd::open_ckpt({contents, nullptr}, "fuzz.ckpt"));
  } catch (const sd::CheckpointError&) {
  }
  return 0;
}
