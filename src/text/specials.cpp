#include "text/specials.h"

#include <algorithm>

namespace sd {
namespace {

struct Found {
  std::size_t position = std::string_view::npos;
  const SpecialText* special = nullptr;
};

/// The special that stands first in `text` at or after `from`.
Found find_special(std::string_view text, std::size_t from, std::span<const SpecialText> specials) {
  for (std::size_t at = from; at < text.size(); ++at) {
    for (const SpecialText& special : specials) {
      if (text[at] == special.text.front() && text.substr(at).starts_with(special.text)) {
        return {at, &special};
      }
    }
  }
  return {};
}

}  // namespace

std::vector<Token> tokenize_between(std::string_view text, std::span<const SpecialText> specials,
                                    const AppendPlain& append_plain) {
  std::vector<Token> tokens;
  std::size_t position = 0;
  while (position < text.size()) {
    const auto [found, special] = find_special(text, position, specials);
    const std::size_t end = std::min(found, text.size());
    append_plain(text.substr(position, end - position), position, tokens);
    if (special == nullptr) break;
    position = end + special->text.size();
    tokens.push_back({special->id, end, position});
  }
  return tokens;
}

}  // namespace sd
