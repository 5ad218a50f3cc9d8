#include "sd/text/read_prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sd {
namespace {

void require_single(const std::string& prompt, const PromptReader& reader) {
  const auto parts = reader.part_weights(prompt).size();
  if (parts != 1) throw ComposedSwap(prompt, parts);
}

}  // namespace

ComposedSwap::ComposedSwap(std::string swapped, std::size_t prompts)
    : UsageError(fmt::format("\"{}\" puts {} prompts together with AND, and a swap takes attention "
                             "from one prompt to one\n"
                             "Leave AND out, or read it as text: PromptSyntax::kPlain.",
                             swapped, prompts)),
      prompt(std::move(swapped)),
      parts(prompts) {}

std::shared_ptr<const PromptReader> read_prompts(
    const std::vector<PromptSet>& prompts, const PromptReading& reading,
    const std::shared_ptr<const Tokenizer>& tokenizer) {
  const PromptReader one(tokenizer, reading.syntax, reading.steps);
  int64_t chunks =
      std::max(reading.least_chunks, one.without_composition()->chunks_of(reading.negative_prompt));
  for (const auto& set : prompts) {
    for (const auto& target : set.targets) chunks = std::max(chunks, one.chunks_of(target));
    if (!set.source) continue;
    chunks = std::max(chunks, one.chunks_of(*set.source));
    require_single(*set.source, one);
    for (const auto& target : set.targets) require_single(target, one);
  }
  return std::make_shared<PromptReader>(tokenizer, reading.syntax, reading.steps, chunks);
}

}  // namespace sd
