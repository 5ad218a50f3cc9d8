#include "weights/inversion_networks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>

namespace sd {
namespace {

constexpr std::size_t kLongestName = 255;       // of a file
constexpr std::size_t kLongestSettings = 4096;  // 26 weights of blocks take a tenth
constexpr std::size_t kHashDigits = 64;

/// Takes `begin` off the front; false where something else stands there.
bool take(std::string_view& text, std::string_view begin) {
  if (!text.starts_with(begin)) return false;
  text.remove_prefix(begin.size());
  return true;
}

/// Takes a finite number off the front.
bool take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

bool is_network_name(std::string_view text) { return !text.empty() && text.size() <= kLongestName; }

bool is_network_weights(std::string_view text) {
  if (text.size() > kLongestSettings) return false;
  for (const std::string_view part : {"te=", " unet="}) {
    if (!take(text, part) || !take_number(text)) return false;
  }
  if (text.empty()) return true;
  if (!take(text, " lbw=") || !take_number(text)) return false;
  while (take(text, ",")) {
    if (!take_number(text)) return false;
  }
  return text.empty();
}

bool is_network_hash(std::string_view text) {
  return text.size() == kHashDigits && std::ranges::all_of(text, [](char digit) {
           return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
         });
}

bool is_addition_settings(std::string_view text) {
  return !text.empty() && text.size() <= kLongestSettings &&
         std::ranges::all_of(text, [](char letter) { return letter >= ' ' && letter <= '~'; });
}

}  // namespace sd
