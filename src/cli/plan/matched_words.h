#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/plan/draw_plan.h"

namespace sd::cli {

/// Where a control found one of its words.
struct MatchedWord {
  enum class Where { kTarget, kSource, kItself };  // prompts of targets, of sources; its own text

  std::string word;
  Where where = Where::kTarget;
  std::size_t prompts = 0;      // that have it, of those of the run that differ
  std::vector<int64_t> tokens;  // in the first of them
};

/// Adds where `word` is; nothing where no prompt of that kind has it (checks have seen to it that
/// some prompt does).
void match(std::vector<MatchedWord>& words, const DrawPlan& plan, const std::string& word,
           MatchedWord::Where where);

}  // namespace sd::cli
