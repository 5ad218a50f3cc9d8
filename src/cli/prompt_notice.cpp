#include "cli/prompt_notice.h"

#include <fmt/format.h>

#include "cli/text_output.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownCharacters = 120;

}  // namespace

std::string truncation_notice(std::string_view what, std::string_view prompt,
                              const Tokenizer& tokenizer) {
  const auto encoded = tokenizer.encode(prompt);
  if (encoded.cut.empty()) return {};
  const std::size_t begin = encoded.cut.front().begin;
  const auto lost = prompt.substr(begin, encoded.cut.back().end - begin);
  return fmt::format("{} has {} tokens and the model reads {}: the rest is left out: \"{}\"", what,
                     encoded.tokens.size() + encoded.cut.size(), encoded.tokens.size(),
                     shorten(lost, kShownCharacters));
}

}  // namespace sd::cli
