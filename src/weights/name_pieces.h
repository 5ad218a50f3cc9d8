#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sd {

/// Takes `text` off the front of `key`.
inline bool take(std::string_view& key, std::string_view text) {
  if (!key.starts_with(text)) return false;
  key.remove_prefix(text.size());
  return true;
}

/// Takes a small number and the dot behind it off the front of `key`.
inline std::optional<int> take_number(std::string_view& key) {
  constexpr int kMax = 1000;
  int number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
  const auto length = static_cast<std::size_t>(end - key.data());
  if (error != std::errc{} || number < 0 || number > kMax || length >= key.size() ||
      key[length] != '.') {
    return std::nullopt;
  }
  key.remove_prefix(length + 1);
  return number;
}

}  // namespace sd
