#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options/draw_options.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// One picture's prompts, source none unless one is drawn beside.
struct PromptSet {
  std::vector<std::string> targets;
  std::optional<std::string> source;
  const DrawOptions* own = nullptr;  // whose words its controls name; null: the run's
};

/// Positions of `word` in `prompt`'s ids; throws UsageError, beginning with `option`, if it is not
/// there or was cut off.
std::vector<int64_t> word_positions(std::string_view option, const std::string& prompt,
                                    const std::string& word, const Tokenizer& tokenizer);

/// Checks that every word the controls name is in the prompts that it is looked for in, and that
/// options fit each other; what restricts controls must have one to restrict. Throws UsageError.
void check_controls(const DrawOptions& options, const std::vector<PromptSet>& prompts,
                    const Tokenizer& tokenizer);

}  // namespace sd::cli
