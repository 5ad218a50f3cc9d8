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
                                const std::string& negative_prompt, const PromptReader& reader) {
  std::vector<std::string> tags;
  bool loras = false;
  const auto add = [&](const std::string& prompt, bool negative) {
    for (const auto& tag : reader.network_tags(prompt)) {
      if (tag.is_lora && !negative) continue;
      loras |= tag.is_lora;
      auto text = shorten(std::string_view(prompt).substr(tag.begin, tag.end - tag.begin),
                          kShownCharacters);
      if (std::ranges::find(tags, text) == tags.end()) tags.push_back(std::move(text));
    }
  };
  for (const auto& prompt : prompts) add(prompt, /*negative=*/false);
  add(negative_prompt, /*negative=*/true);
  if (tags.empty()) return {};
  const bool more = tags.size() > kShownTags;
  const bool one = tags.size() == 1;
  if (more) tags.resize(kShownTags);
  return fmt::format("{}{}: {}; {} left out", fmt::join(tags, ", "), more ? " and others" : "",
                     loras ? "hypernetworks are not supported, and LoRAs stand in prompts, not in "
                             "the negative one"
                           : "hypernetworks are not supported",
                     one ? "the tag is" : "the tags are");
}

}  // namespace sd::cli
