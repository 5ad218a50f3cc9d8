#include "cli/shell/shell_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

std::string shell_word(const std::string& word) {
  const auto is_safe = [](char c) {
    const bool alphanumeric = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    return alphanumeric || std::string_view("_-./:,@%+").find(c) != std::string_view::npos;
  };
  const auto is_option = [&](std::string_view text) {  // zsh reads "=x" at the start of a word
    return text.starts_with("--") &&
           std::ranges::all_of(text, [&](char c) { return is_safe(c) || c == '='; });
  };
  if (!word.empty() && (std::ranges::all_of(word, is_safe) || is_option(word))) return word;
  std::string quoted;
  if (word.find_first_of("\n\t") == std::string::npos && printable(word) == word) {
    for (const char c : word) {
      if (c == '\'') quoted += "'\\'";
      quoted += c;
    }
    return fmt::format("'{}'", quoted);
  }
  // What could steer the terminal that shows the line is written in octal.
  for (std::size_t at = 0; at < word.size();) {
    const auto length = std::max<std::size_t>(1, utf8_character(word, at));
    const auto character = word.substr(at, length);
    at += length;
    const bool plain = printable(character) == character &&
                       character.find_first_of("\n\t'\\") == std::string::npos;
    if (plain) {
      quoted += character;
      continue;
    }
    for (const char byte : character) {
      const bool marks = byte == '\'' || byte == '\\';
      quoted +=
          marks ? fmt::format("\\{}", byte) : fmt::format("\\{:03o}", static_cast<uint8_t>(byte));
    }
  }
  return fmt::format("$'{}'", quoted);
}

}  // namespace

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) {
    if (!line.empty()) line += ' ';
    line += shell_word(word);
  }
  return line;
}

}  // namespace sd::cli
