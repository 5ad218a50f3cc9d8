#pragma once

#include <cstddef>
#include <string_view>

namespace sd {

/// Whether the `length` bytes from `at` on are a whole word: no part of a word touches them on
/// either side, like \b in a regular expression. Bytes outside ASCII count as parts of words.
inline bool is_whole_word(std::string_view text, std::size_t at, std::size_t length) {
  const auto joins = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (c & 0x80) != 0;
  };
  const std::size_t end = at + length;
  return (at == 0 || !joins(text[at - 1])) && (end == text.size() || !joins(text[end]));
}

/// Where `word` stands as a word of its own, from `from` on; npos if nowhere.
inline std::size_t find_whole_word(std::string_view text, std::string_view word,
                                   std::size_t from = 0) {
  for (auto at = text.find(word, from); at != text.npos; at = text.find(word, at + 1)) {
    if (is_whole_word(text, at, word.size())) return at;
  }
  return text.npos;
}

}  // namespace sd
