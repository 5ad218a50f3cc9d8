#include "cli/plan/prompt_chunks.h"

#include <fmt/format.h>

#include "cli/shell/text_output.h"
#include "sd/text/read_prompts.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownPrompt = 60;

}  // namespace

std::shared_ptr<const PromptReader> reader_of(const DrawOptions& options,
                                              const std::vector<PromptSet>& prompts,
                                              const std::shared_ptr<const Tokenizer>& tokenizer) {
  std::vector<sd::PromptSet> sets;
  for (const auto& set : prompts) sets.push_back({set.targets, set.source});
  try {
    return read_prompts(sets, {options.prompt_syntax, options.steps, options.negative_prompt},
                        tokenizer);
  } catch (const ComposedSwap& error) {
    throw UsageError(
        fmt::format("\"{}\" puts {} prompts together with AND, and a swap takes attention from one "
                    "prompt to one\n"
                    "Leave AND out, or read it as text: --prompt-syntax plain.",
                    shorten(error.prompt, kShownPrompt), error.parts));
  }
}

std::shared_ptr<const PromptReader> reader_of_maps(
    const DrawOptions& options, const std::shared_ptr<const PromptReader>& reader) {
  return options.attn.conditional ? reader : reader->without_composition();
}

}  // namespace sd::cli
