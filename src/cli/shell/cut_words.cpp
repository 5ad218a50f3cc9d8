#include "cli/shell/cut_words.h"

#include <algorithm>
#include <cstddef>

#include "cli/shell/text_output.h"

namespace sd::cli {

std::string cut_words(std::string_view message) {
  constexpr std::size_t kMostOfLine = 4000;  // of bytes: every list of choices is shorter
  std::string text;
  for (std::size_t line = 0; line < message.size();) {
    const auto line_end = std::min(message.find('\n', line), message.size());
    const auto begin = text.size();
    for (std::size_t at = line; at < line_end;) {
      const auto word_end = std::min(message.find(' ', at), line_end);
      text += cut_text(message.substr(at, word_end - at));
      if (word_end < line_end) text += ' ';
      at = word_end + 1;
    }
    if (text.size() - begin > kMostOfLine) {
      const auto cut = cut_text(std::string_view(text).substr(begin), kMostOfLine);
      text.replace(begin, std::string::npos, cut);
    }
    if (line_end < message.size()) text += '\n';
    line = line_end + 1;
  }
  return text;
}

}  // namespace sd::cli
