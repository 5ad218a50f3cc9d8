#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/options/attn_words.h"
#include "cli/options/draw_options.h"
#include "cli/plan/control_words.h"
#include "cli/plan/prompt_list.h"

namespace sd::cli {

/// The prompts of one iteration, one for each sample. There is at least one.
struct RunPrompts {
  std::vector<ListedPrompt> listed;  // where each sample's prompt stands
  std::vector<PromptSet> sets;       // its prompts
  std::vector<BadLine> bad_lines;    // which are not drawn

  std::size_t size() const { return sets.size(); }
  bool swaps() const { return sets.front().source.has_value(); }
  /// Targets of each sample.
  std::size_t targets() const { return sets.front().targets.size(); }
  /// Pictures that a batch holds for each sample, that of a source included.
  std::size_t branches() const { return targets() + (swaps() ? 1 : 0); }
};

/// The prompts that the options name, or those of a list (`--from-file`), with every choice where
/// --combinations asks for them. Throws UsageError for a list without a usable prompt and for too
/// many combinations.
RunPrompts run_prompts(const DrawOptions& options, const PromptList* listed);

/// What the maps of such a run depend on.
AttnSubject attn_subject(const DrawOptions& options, const RunPrompts& prompts);

/// Every prompt of the run once, but for the negative one.
std::vector<std::string> prompts_of(const RunPrompts& prompts);

/// The same with the negative one, which stands last.
std::vector<std::string> distinct_prompts(const DrawOptions& options, const RunPrompts& prompts);

}  // namespace sd::cli
