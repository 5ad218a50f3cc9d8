#include "cli/options/seed_options.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <string>

#include "sd/core/error.h"

namespace sd::cli {
namespace {

template <typename Number>
bool parse_all(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Variation parse_variation(std::string_view text) {
  Variation variation;
  const auto colon = text.find(':');
  const bool fits = colon != text.npos && parse_all(text.substr(0, colon), variation.seed) &&
                    parse_all(text.substr(colon + 1), variation.strength) &&
                    variation.strength >= 0 && variation.strength <= 1;
  if (!fits) {
    throw UsageError(fmt::format(
        "--variation: '{}' is not SEED:STRENGTH with a strength from 0 to 1, like 7:0.2", text));
  }
  return variation;
}

std::optional<uint64_t> parse_seed(std::string_view text) {
  uint64_t seed = 0;
  if (text == "-1") return std::nullopt;
  const bool plus = text.size() > 1 && text[0] == '+';  // from_chars knows no plus sign
  if (parse_all(text.substr(plus ? 1 : 0), seed)) return seed;
  throw UsageError(fmt::format("--seed: '{}' is not a whole number from -1 to {}", text,
                               std::numeric_limits<uint64_t>::max()));
}

}  // namespace sd::cli
