#include "cli/prompt_chunks.h"

#include <algorithm>

namespace sd::cli {

std::shared_ptr<const PromptReader> reader_of(const DrawOptions& options,
                                              const std::vector<PromptSet>& prompts,
                                              const std::shared_ptr<const Tokenizer>& tokenizer) {
  const PromptReader one(tokenizer, options.prompt_syntax, options.ddim_steps);
  int64_t chunks = one.chunks_of(options.negative_prompt);
  for (const auto& set : prompts) {
    for (const auto& target : set.targets) chunks = std::max(chunks, one.chunks_of(target));
    if (set.source) chunks = std::max(chunks, one.chunks_of(*set.source));
  }
  return std::make_shared<PromptReader>(tokenizer, options.prompt_syntax, options.ddim_steps,
                                        chunks);
}

}  // namespace sd::cli
