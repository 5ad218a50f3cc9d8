#include "cli/plan/prompt_notice.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/shell/text_output.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownCharacters = 120;
constexpr std::size_t kShownTags = 5;

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

std::string truncation_hint(PromptSyntax syntax) {
  // A plain prompt takes BREAK for a word; one of the web UI's syntax is never cut.
  if (syntax == PromptSyntax::kPlain)
    return "To keep it, give --prompt-syntax a1111: long prompts are read in chunks then.";
  return "To keep it, give --prompt-syntax a1111, or write BREAK where the next chunk is to begin: "
         "a prompt\nwith chunks is read whole.";
}

std::string network_tags_notice(const std::vector<std::string>& prompts,
                                const PromptReader& reader) {
  std::vector<std::string> tags;
  for (const auto& prompt : prompts) {
    for (auto& tag : reader.left_out(prompt)) {
      if (std::ranges::find(tags, tag) == tags.end()) tags.push_back(std::move(tag));
      if (tags.size() > kShownTags) break;
    }
  }
  if (tags.empty()) return {};
  const bool more = tags.size() > kShownTags;
  const bool one = tags.size() == 1;
  if (more) tags.resize(kShownTags);
  for (auto& tag : tags) tag = shorten(tag, kShownCharacters);
  return fmt::format(
      "{}{}: LoRAs and hypernetworks are not supported yet; {} left out of the prompt",
      fmt::join(tags, ", "), more ? " and others" : "", one ? "the tag is" : "the tags are");
}

}  // namespace sd::cli
