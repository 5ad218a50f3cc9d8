// A list of pictures and captions: any bytes. Names stay below their folder and come once.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "sd/core/error.h"
#include "trainer/caption_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  try {
    std::set<std::string> names;
    const std::string_view lines(reinterpret_cast<const char*>(bytes), size);
    for (const auto& [name, caption] : sd::train::parse_caption_lines(lines, "metadata.jsonl")) {
      const auto path = (std::filesystem::path("/data") / name).lexically_normal().string();
      if (!path.starts_with("/data/") || !names.insert(name).second) std::abort();
      if (caption.size() > size) std::abort();
    }
  } catch (const sd::Error&) {
  }
  return 0;
}
