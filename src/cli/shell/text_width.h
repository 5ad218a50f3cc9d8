#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sd::cli {

/// Characters of UTF-8 text: continuation bytes take no column.
inline std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace sd::cli
