#include "image/json_text.h"

#include <algorithm>
#include <string>
#include <vector>

namespace sd {
namespace {

constexpr std::size_t kMostDepth = 100;
/// Of one object, which is searched from its beginning for each.
constexpr int kMostMembers = 2000;

/// `text` with what Python has beyond JSON as null; nothing if it goes beyond the limits.
std::optional<std::string> plain_json(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  std::vector<int> members;  // of the objects and lists that are open
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    std::size_t end = at + 1;
    std::string_view word;
    if (c == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else if (c == '[' || c == '{') {
      if (members.size() == kMostDepth) return std::nullopt;
      members.push_back(0);
    } else if (c == ']' || c == '}') {
      if (!members.empty()) members.pop_back();
    } else if (c == ':') {
      if (!members.empty() && ++members.back() > kMostMembers) return std::nullopt;
    } else if (c == 'N' || c == 'I' || c == '-') {
      for (const std::string_view known : {"NaN", "Infinity", "-Infinity"}) {
        if (text.substr(at).starts_with(known)) word = known;
      }
    }
    if (word.empty()) {
      plain += text.substr(at, end - at);
      at = end;
    } else {
      plain += "null";
      at += word.size();
    }
  }
  return plain;
}

}  // namespace

std::optional<nlohmann::ordered_json> parse_object(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || text[begin] != '{') return std::nullopt;
  const auto plain = plain_json(text);
  if (!plain) return std::nullopt;
  auto parsed = nlohmann::ordered_json::parse(*plain, nullptr, /*allow_exceptions=*/false);
  return parsed.is_object() ? std::optional(std::move(parsed)) : std::nullopt;
}

}  // namespace sd
