#include "sd/text/network_tags.h"

#include <algorithm>
#include <array>

namespace sd {
namespace {

constexpr std::array<std::string_view, 5> kKinds = {"lora", "lyco", "lycoris", "hypernet",
                                                    "hypernetwork"};
constexpr std::size_t kLoraKinds = 3;  // the first of them
constexpr std::size_t kLongestKind = 12;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Its place among the kinds, or their number.
std::size_t kind_of(std::string_view word) {
  const auto found = std::ranges::find_if(
      kKinds, [&](std::string_view kind) { return std::ranges::equal(word, kind, {}, lower); });
  return static_cast<std::size_t>(found - kKinds.begin());
}

}  // namespace

std::vector<NetworkTag> find_network_tags(std::string_view prompt) {
  std::vector<NetworkTag> tags;
  for (auto begin = prompt.find('<'); begin != prompt.npos; begin = prompt.find('<', begin + 1)) {
    const auto head = prompt.substr(begin + 1, kLongestKind + 1);
    const auto colon = head.find(':');
    if (colon == head.npos) continue;
    const auto kind = kind_of(head.substr(0, colon));
    if (kind == kKinds.size()) continue;
    const auto name = begin + 1 + colon + 1;
    const auto end = prompt.find('>', name);
    if (end == prompt.npos) break;
    if (end == name) continue;
    tags.push_back(
        {begin, end + 1, kind < kLoraKinds, std::string(prompt.substr(name, end - name))});
    begin = end;
  }
  return tags;
}

std::string blank_network_tags(std::string_view prompt) {
  std::string text(prompt);
  for (const auto& tag : find_network_tags(prompt)) {
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(tag.begin),
              text.begin() + static_cast<std::ptrdiff_t>(tag.end), ' ');
  }
  return text;
}

}  // namespace sd
