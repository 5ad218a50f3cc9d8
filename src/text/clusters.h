#pragma once

#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace sd {

/// What people see as characters, extended grapheme clusters (UAX #29): a letter with its accents,
/// a flag, an emoji of several joined ones. `code` is the first code point of each.
std::vector<SourceChar> decode_clusters(std::string_view text);

/// At most `count` of those, from the beginning.
std::string_view first_clusters(std::string_view text, std::size_t count);

/// A picture or sign that is a word by itself: an emoji, an arrow, a currency's sign (general
/// categories S*, and what newer versions of Unicode may have put where emoji stand).
bool is_symbol(char32_t code);

/// Of a script that is written without spaces between words: Chinese, Japanese, Thai, Lao, Burmese,
/// Khmer.
bool is_unspaced(char32_t code);

}  // namespace sd
