// Whatever a user may give: any bytes under a name of their own, told apart by content, described
// as `sd info` does. The first byte chooses the name: an index of shards, one shard, or a file.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sd/core/error.h"
#include "sd/weights/summary.h"
#include "support/temp_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::array kNames = {"model.safetensors.index.json", "b-00001-of-00002.safetensors",
                                 "c.ckpt"};
  static const sd::test::TempFolder folder;
  const auto path = folder / kNames[bytes[0] % kNames.size()];
  const std::string_view contents(reinterpret_cast<const char*>(bytes), size);
  sd::test::write_text(path, contents.substr(1));
  try {
    sd::describe_model(path);
  } catch (const sd::Error&) {
  }
  return 0;
}
