#include "cli/plan/prompt_chunks.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownPrompt = 60;

/// A swap aligns the words of one prompt with those of another.
void require_single(const std::string& prompt, const PromptReader& reader) {
  const auto parts = reader.part_weights(prompt).size();
  if (parts == 1) return;
  throw UsageError(
      fmt::format("\"{}\" puts {} prompts together with AND, and a swap takes attention from one "
                  "prompt to one\n"
                  "Leave AND out, or read it as text: --prompt-syntax plain.",
                  shorten(prompt, kShownPrompt), parts));
}

}  // namespace

std::shared_ptr<const PromptReader> reader_of(const DrawOptions& options,
                                              const std::vector<PromptSet>& prompts,
                                              const std::shared_ptr<const Tokenizer>& tokenizer) {
  const PromptReader one(tokenizer, options.prompt_syntax, options.ddim_steps);
  int64_t chunks = one.without_composition()->chunks_of(options.negative_prompt);
  for (const auto& set : prompts) {
    for (const auto& target : set.targets) chunks = std::max(chunks, one.chunks_of(target));
    if (!set.source) continue;
    chunks = std::max(chunks, one.chunks_of(*set.source));
    require_single(*set.source, one);
    for (const auto& target : set.targets) require_single(target, one);
  }
  return std::make_shared<PromptReader>(tokenizer, options.prompt_syntax, options.ddim_steps,
                                        chunks);
}

std::shared_ptr<const PromptReader> reader_of_maps(
    const DrawOptions& options, const std::shared_ptr<const PromptReader>& reader) {
  return options.attn.conditional ? reader : reader->without_composition();
}

}  // namespace sd::cli
