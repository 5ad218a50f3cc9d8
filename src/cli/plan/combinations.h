#pragma once

#include <cstddef>
#include <vector>

#include "cli/plan/control_words.h"

namespace sd::cli {

/// Most prompts that `--combinations` makes of one.
inline constexpr std::size_t kMaxCombinations = 10'000;

/// `--combinations`: every choice of "{a|b}" in the prompts of a set, those of the source changing
/// last and of the last target first. Throws UsageError for more than kMaxCombinations.
std::vector<PromptSet> combinations_of(const PromptSet& set);

}  // namespace sd::cli
