#include "sd/control/word_masks.h"

#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <utility>

#include "control/rows.h"
#include "sd/core/error.h"

namespace sd {

WordMasks::WordMasks(WordMaskOptions options) : options_(std::move(options)) {
  if (options_.target_words.empty() || options_.source_words.empty())
    throw UsageError("word masks: a list of words without rows");
}

AttentionUse WordMasks::use(const AttentionCall& call) const {
  const bool watches =
      call.site.kind == AttentionKind::kCross && call.site.downsampling == options_.downsampling;
  return watches ? AttentionUse::kObserve : AttentionUse::kNone;
}

void WordMasks::observe(const torch::Tensor& probs, const RowGroup& rows,
                        const AttentionCall& call) {
  if (rows.part > 0) throw UsageError("word masks: cannot look at prompts put together with AND");
  if (call.step.step != step_ || call.step.evaluation != evaluation_) {
    step_ = call.step.step;
    evaluation_ = call.step.evaluation;
    watched_.clear();
  }
  const bool target = rows.branch == RowGroup::Branch::kTarget;
  const auto& words = target ? options_.target_words : options_.source_words;
  auto paid = at::zeros({rows.count, probs.size(2)}, probs.options().dtype(at::kFloat));
  for_each_setting(words.size(), rows, "the words of masks",
                   [&](std::size_t setting, int64_t offset, int64_t count) {
                     for (const int64_t token : words[setting]) {
                       const auto of_word = probs.narrow(0, offset, count).select(-1, token);
                       paid.narrow(0, offset, count).add_(of_word.to(at::kFloat).mean(1));
                     }
                   });
  paid = paid.unflatten(1, {call.height, call.width});
  const auto found = std::ranges::find_if(watched_, [&](const Watched& one) {
    return one.branch == rows.branch && one.target == rows.target;
  });
  if (found == watched_.end()) {
    watched_.push_back({rows.branch, rows.target, std::move(paid)});
  } else {
    found->sum.add_(paid);
  }
}

torch::Tensor WordMasks::map(RowGroup::Branch branch, int64_t target) const {
  for (const auto& one : watched_) {
    if (one.branch != branch || one.target != target) continue;
    const auto least = one.sum.amin({1, 2}, /*keepdim=*/true);
    const auto range = one.sum.amax({1, 2}, /*keepdim=*/true) - least;
    return at::where(range > 0, (one.sum - least) / range, at::zeros_like(one.sum));
  }
  return {};
}

}  // namespace sd
