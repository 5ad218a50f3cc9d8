#include "cli/plan/compose_regions.h"

#include <optional>
#include <utility>

#include "cli/plan/prompt_chunks.h"

namespace sd::cli {

void compose_regions(DrawPlan& plan) {
  plan.composed.reset();
  plan.watched.reset();
  if (plan.regions.empty()) return;
  plan.composed = composed_prompts(plan.prompts, plan.regions);
  plan.watched = watched_prompts(plan.prompts, plan.regions);
}

std::shared_ptr<const PromptReader> reader_of_plan(const DrawPlan& plan,
                                                   const DrawOptions& options) {
  const auto tokenizer = plan.embeddings.tokenizer(*plan.model);
  auto reader = reader_of(options, plan.prompts.sets, tokenizer);
  if (!plan.composed) return reader;
  // A swap refuses AND of its own; what regions add is none of its affair.
  auto sets = plan.composed->sets;
  for (auto& set : sets) {
    if (set.source) set.targets.push_back(*std::exchange(set.source, std::nullopt));
  }
  return reader_of(options, sets, tokenizer);
}

}  // namespace sd::cli
