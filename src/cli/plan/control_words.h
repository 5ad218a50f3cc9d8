#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/options/draw_options.h"
#include "sd/text/control_words.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// One picture's prompts, source none unless one is drawn beside.
struct PromptSet {
  std::vector<std::string> targets;
  std::optional<std::string> source;
  const DrawOptions* own = nullptr;  // whose words its controls name; null: the run's
};

/// The words that the options name, as the library takes them.
ControlWords words_of(const DrawOptions& options);

/// Checks that every word the controls name is in the prompts that it is looked for in, and that
/// options fit each other; what restricts controls must have one to restrict. Throws UsageError.
///
/// Weights of words are looked for in `watched`, which has what regions add to the prompts.
void check_controls(const DrawOptions& options, const std::vector<PromptSet>& prompts,
                    const std::vector<PromptSet>& watched, const Tokenizer& tokenizer);

}  // namespace sd::cli
