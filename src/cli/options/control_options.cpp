#include "cli/options/control_options.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "cli/options/attn_lists.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// Where "word=rest" is cut: at the last '=', as words may hold one.
std::pair<std::string, std::string_view> cut_at_equals(std::string_view text) {
  const auto equals = text.rfind('=');
  if (equals == std::string_view::npos) return {"", text};
  return {std::string(text.substr(0, equals)), text.substr(equals + 1)};
}

}  // namespace

WordWeight parse_word_weight(std::string_view text) {
  auto [word, numbers] = cut_at_equals(text);
  if (word.empty()) {
    throw UsageError(
        fmt::format("--reweight: '{}' names no word\nExpected WORD=NUMBER, such as \"snowy=2\", or "
                    "a number for each sample: \"snowy=-2,1,5\".",
                    text));
  }
  return {std::move(word), parse_numbers("--reweight", numbers)};
}

WordSteps parse_word_steps(std::string_view option, std::string_view text) {
  auto [word, steps] = cut_at_equals(text);
  return {std::move(word), parse_steps(option, steps, /*may_be_empty=*/true)};
}

int64_t parse_latent_side(std::string_view option, const std::string& text) {
  for (const int64_t side : {8, 16, 32, 64}) {
    if (text == std::to_string(side)) return side;
  }
  throw UsageError(fmt::format("{}: expected 8, 16, 32 or 64, found '{}'", option, text));
}

}  // namespace sd::cli
