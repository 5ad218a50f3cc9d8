#include "cli/options/attn_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>

#include "sd/core/error.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

constexpr int64_t kMaxResolution = 4096;
constexpr int64_t kMaxHead = 255;  // far above any model's

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

/// The pieces between commas. Throws UsageError if one is empty.
std::vector<std::string_view> split(std::string_view option, std::string_view text) {
  std::vector<std::string_view> pieces;
  while (true) {
    const auto comma = text.find(',');
    pieces.push_back(trimmed(text.substr(0, comma)));
    if (pieces.back().empty()) {
      throw UsageError(fmt::format("{}: an empty entry in the list", option));
    }
    if (comma == std::string_view::npos) return pieces;
    text.remove_prefix(comma + 1);
  }
}

void sort_and_unite(std::vector<int64_t>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

std::vector<std::string> parse_parts(std::string_view option, std::string_view text) {
  static const std::array<std::string, 3> kParts = {"down", "middle", "up"};
  std::vector<std::string> parts;
  for (const auto piece : split(option, text)) {
    if (std::ranges::find(kParts, piece) == kParts.end()) {
      throw UsageError(fmt::format("{}: '{}' is none of down, middle, up{}", option, piece,
                                   did_you_mean(piece, kParts)));
    }
    if (std::ranges::find(parts, piece) == parts.end()) parts.emplace_back(piece);
  }
  return parts;
}

std::vector<int64_t> parse_resolutions(std::string_view option, std::string_view text) {
  std::vector<int64_t> sides;
  for (const auto piece : split(option, text)) {
    const auto side = number<int64_t>(piece);
    if (!side || *side < 1 || *side > kMaxResolution) {
      throw UsageError(fmt::format("{}: '{}' is not a whole number from 1 to {}", option, piece,
                                   kMaxResolution));
    }
    sides.push_back(*side);
  }
  sort_and_unite(sides);
  return sides;
}

std::vector<int64_t> parse_heads(std::string_view option, std::string_view text) {
  std::vector<int64_t> heads;
  for (const auto piece : split(option, text)) {
    const auto dash = piece.find('-');
    const auto first = number<int64_t>(piece.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : number<int64_t>(piece.substr(dash + 1));
    if (!first || !last || *first < 0 || *first > *last || *last > kMaxHead) {
      throw UsageError(
          fmt::format("{}: '{}' is no head or range of heads, such as 0-3, from 0 to {}", option,
                      piece, kMaxHead));
    }
    for (int64_t head = *first; head <= *last; ++head) heads.push_back(head);
  }
  sort_and_unite(heads);
  return heads;
}

AttnSteps parse_steps(std::string_view option, std::string_view text, bool may_be_empty) {
  const auto colon = text.find(':');
  const auto fraction = [](std::string_view piece, double otherwise) -> std::optional<double> {
    piece = trimmed(piece);
    return piece.empty() ? otherwise : number<double>(piece);
  };
  if (colon != std::string_view::npos) {
    const auto begin = fraction(text.substr(0, colon), 0);
    const auto end = fraction(text.substr(colon + 1), 1);
    // Written so that NaN fails.
    const bool ordered =
        begin && end && *begin >= 0 && *end <= 1 && (may_be_empty ? *begin <= *end : *begin < *end);
    if (ordered) return {*begin, *end};
  }
  throw UsageError(fmt::format(
      "{}: '{}' is no part of the steps\nExpected a:b in fractions of them, 0 <= a {} b <= 1: "
      "0:0.4 is the first two fifths.",
      option, text, may_be_empty ? "<=" : "<"));
}

std::vector<double> parse_numbers(std::string_view option, std::string_view text) {
  std::vector<double> numbers;
  for (const auto piece : split(option, text)) {
    const auto value = number<double>(piece.starts_with('+') ? piece.substr(1) : piece);
    if (!value || !std::isfinite(*value)) {
      throw UsageError(fmt::format("{}: '{}' is not a number", option, piece));
    }
    numbers.push_back(*value);
  }
  return numbers;
}

std::vector<std::string> parse_words(std::string_view option, std::string_view text) {
  std::vector<std::string> words;
  for (const auto piece : split(option, text)) words.emplace_back(piece);
  return words;
}

}  // namespace sd::cli
