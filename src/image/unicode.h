#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/bytes.h"

namespace sd {

/// `text` with every byte that is not part of well-formed UTF-8 (RFC 3629), and every NUL, replaced
/// by U+FFFD.
std::string repair_utf8(std::string_view text);

/// Whether all of `text` is well-formed UTF-8 without NUL.
bool is_utf8(std::string_view text);

struct TextChar {
  char32_t code = 0;
  std::size_t end = 0;  // its last byte and one more
};

/// The characters of `text`; a byte that is not part of well-formed UTF-8 reads as U+FFFD.
std::vector<TextChar> decode_text(std::string_view text);

/// Latin-1 bytes of well-formed UTF-8, or nothing if a character lies above U+00FF.
std::optional<std::string> utf8_to_latin1(std::string_view text);

std::string latin1_to_utf8(std::string_view text);

/// UTF-8 of UTF-16 code units; lone surrogates become U+FFFD, an odd last byte is dropped.
std::string utf16_to_utf8(ByteSpan bytes, bool big_endian);

}  // namespace sd
