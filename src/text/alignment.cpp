#include "sd/text/alignment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "sd/core/error.h"
#include "text/sequence_matcher.h"

namespace sd {
namespace {

/// Needleman–Wunsch's scores, as Prompt-to-Prompt sets them.
constexpr int64_t kGap = 0;
constexpr int64_t kSame = 1;
constexpr int64_t kOther = -1;

enum class Step : uint8_t { kNewInTarget, kGoneFromSource, kPair };

/// From the begin to the end.
std::span<const int64_t> without_padding(const TokenizedPrompt& prompt) {
  return std::span(prompt.ids).first(static_cast<std::size_t>(prompt.padding()));
}

/// The best last step of aligning source[0, i) with target[0, j): [source + 1, target + 1],
/// row-major.
std::vector<Step> best_steps(std::span<const int64_t> source, std::span<const int64_t> target) {
  const std::size_t columns = target.size() + 1;
  std::vector<Step> steps((source.size() + 1) * columns, Step::kNewInTarget);
  std::vector<int64_t> previous(columns);
  std::vector<int64_t> current(columns);
  for (std::size_t j = 1; j < columns; ++j) previous[j] = previous[j - 1] + kGap;
  for (std::size_t i = 1; i <= source.size(); ++i) {
    steps[i * columns] = Step::kGoneFromSource;
    current[0] = previous[0] + kGap;
    for (std::size_t j = 1; j < columns; ++j) {
      const int64_t new_in_target = current[j - 1] + kGap;
      const int64_t gone_from_source = previous[j] + kGap;
      const int64_t pair = previous[j - 1] + (source[i - 1] == target[j - 1] ? kSame : kOther);
      current[j] = std::max({new_in_target, gone_from_source, pair});
      // Of equals the first, as published: it decides which of several best alignments is taken.
      steps[i * columns + j] = current[j] == new_in_target      ? Step::kNewInTarget
                               : current[j] == gone_from_source ? Step::kGoneFromSource
                                                                : Step::kPair;
    }
    std::swap(previous, current);
  }
  return steps;
}

}  // namespace

TokenAlignment align_ids(std::span<const int64_t> source, std::span<const int64_t> target) {
  TokenAlignment alignment{std::vector<double>(target.size()), std::vector<int64_t>(target.size())};
  for (const Edit& edit : find_edits(source, target)) {
    if (edit.a_end - edit.a_begin != edit.b_end - edit.b_begin) continue;
    for (std::size_t k = 0; k < edit.b_end - edit.b_begin; ++k) {
      alignment.mask[edit.b_begin + k] = 1;
      alignment.indices[edit.b_begin + k] = static_cast<int64_t>(edit.a_begin + k);
    }
  }
  return alignment;
}

TokenRefinement refine_tokens(const TokenizedPrompt& source, const TokenizedPrompt& target) {
  if (source.ids.size() != target.ids.size()) {
    throw UsageError(fmt::format("prompts of {} and {} ids cannot be aligned: encode both alike",
                                 source.ids.size(), target.ids.size()));
  }
  const auto x = without_padding(source);
  const auto y = without_padding(target);
  TokenRefinement refinement{std::vector<int64_t>(target.ids.size()),
                             std::vector<double>(target.ids.size(), 1.0)};
  for (std::size_t n = y.size(); n < target.ids.size(); ++n) {
    refinement.mapper[n] = static_cast<int64_t>(n);
  }
  const auto steps = best_steps(x, y);
  for (std::size_t i = x.size(), j = y.size(); i > 0 || j > 0;) {
    const Step step = steps[i * (y.size() + 1) + j];
    if (step != Step::kNewInTarget) --i;
    if (step == Step::kGoneFromSource) continue;
    --j;
    const bool is_new = step == Step::kNewInTarget;
    refinement.mapper[j] = is_new ? TokenRefinement::kNew : static_cast<int64_t>(i);
    refinement.alphas[j] = is_new ? 0 : 1;
  }
  return refinement;
}

}  // namespace sd
