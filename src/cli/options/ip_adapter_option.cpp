#include "cli/options/ip_adapter_option.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "cli/options/option_values.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr std::size_t kPaths = 2, kNumbers = 3;  // weight, begin, end
constexpr Range<double> kWeightRange{-5, 5};
constexpr Range<double> kShareRange{0, 1};

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts = {""};
  for (const char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool is_number(const std::string& text) {
  double value = 0;
  const auto* end = text.data() + text.size();
  return !text.empty() && std::from_chars(text.data(), end, value).ptr == end;
}

/// How many of the last parts are numbers: none, a weight, or a weight and two shares.
std::size_t numbers_of(const std::vector<std::string>& parts) {
  const auto behind = parts.size() - std::min(parts.size(), kPaths);
  const auto all_numbers = [&](std::size_t count) {
    return count <= behind &&
           std::all_of(parts.end() - static_cast<std::ptrdiff_t>(count), parts.end(), is_number);
  };
  return all_numbers(kNumbers) ? kNumbers : all_numbers(1) ? 1 : 0;
}

/// The paths may have no colon in them: nobody could say which of several parts them.
bool has_two_paths(const std::vector<std::string>& parts) {
  return parts.size() - numbers_of(parts) == kPaths && !parts[0].empty() && !parts[1].empty();
}

}  // namespace

IpAdapterOption parse_ip_adapter(const std::string& option, const std::string& text) {
  const auto parts = parts_of(text);
  if (!has_two_paths(parts)) {
    throw UsageError(
        fmt::format("{}: '{}' is not ADAPTER:PICTURE, ADAPTER:PICTURE:WEIGHT or "
                    "ADAPTER:PICTURE:WEIGHT:START:END\nExample: {} "
                    "ip-adapter-plus_sd15.safetensors:cat.png:0.6",
                    option, text, option));
  }
  IpAdapterOption parsed{parts[0], parts[1]};
  const auto numbers = numbers_of(parts);
  if (numbers > 0) parsed.weight = parse_real(option, parts[kPaths], kWeightRange);
  if (numbers == kNumbers) {
    parsed.steps = {parse_real(option, parts[kPaths + 1], kShareRange),
                    parse_real(option, parts[kPaths + 2], kShareRange)};
    if (parsed.steps.begin >= parsed.steps.end) {
      throw UsageError(fmt::format("{}: '{}' begins at {} of the steps and ends at {}: no step",
                                   option, text, parsed.steps.begin, parsed.steps.end));
    }
  }
  return parsed;
}

}  // namespace sd::cli
