#include "cli/parser/typed_names.h"

#include <cctype>
#include <string_view>

namespace sd::cli {
namespace {

bool is_of_a_name(char character) {
  const auto c = static_cast<unsigned char>(character);
  return std::isalnum(c) != 0 || c == '-' || c == '_';
}

/// Whether a whole name begins at `text[at]`: "--W" is none in "--Width" or "a--W".
bool stands_at(std::string_view text, std::size_t at, std::string_view name) {
  if (text.compare(at, name.size(), name) != 0) return false;
  const auto end = at + name.size();
  return end == text.size() || !is_of_a_name(text[end]);
}

}  // namespace

std::string respelled(const std::string& message, const TypedNames& typed) {
  std::string text;
  for (std::size_t at = 0; at < message.size();) {
    const bool begins =
        message.compare(at, 2, "--") == 0 && (at == 0 || !is_of_a_name(message[at - 1]));
    std::size_t length = 0;
    for (const auto& option : typed) {
      for (const auto& name : option.names) {
        if (!begins || length > 0 || !stands_at(message, at, name)) continue;
        text += option.typed;
        length = name.size();
      }
    }
    if (length == 0) text += message[at++];
    at += length;
  }
  return text;
}

}  // namespace sd::cli
