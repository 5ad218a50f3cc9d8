// Infotexts. Besides not crashing: what was read, written and read again is the same, if it begins
// with the steps as programs write it. In a line that begins otherwise a prompt may stand before
// them, which only a guess tells apart.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sd/image/infotext.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto info = sd::parse_infotext(text);
  // JSON replaces what is no UTF-8, so only ASCII comes back for certain.
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) >= 0x80; }))
    return 0;
  if (info.settings.empty() || info.settings.front().first != "Steps") return 0;
  if (sd::parse_infotext(sd::format_infotext(info)).settings != info.settings) std::abort();
  return 0;
}
