#include "sd/control/fork_swap.h"

#include "control/rows.h"
#include "control/token_transfer.h"
#include "sd/core/error.h"

namespace sd {

ForkSwap::ForkSwap(ForkSwapOptions options) : options_(std::move(options)) {
  if (options_.alignments.empty()) throw UsageError("swap: no alignment of the prompts given");
  for (const auto& alignment : options_.alignments) transfers_.emplace_back(alignment);
}

ForkSwap::~ForkSwap() = default;

AttentionUse ForkSwap::use(const AttentionCall& call) const {
  const bool edits = call.site.kind == AttentionKind::kCross &&
                     call.step.timestep >= options_.tthres && options_.sites.matches(call) &&
                     has_source(call.rows);
  return edits ? AttentionUse::kChange : AttentionUse::kNone;
}

StepUse ForkSwap::step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const {
  if (step.timestep < options_.tthres || !has_source(rows)) return StepUse::kNone;
  return options_.sites.is_everywhere() ? StepUse::kColumns : StepUse::kOther;
}

torch::Tensor ForkSwap::apply(torch::Tensor probs, const AttentionCall& call) {
  const EditScope scope{call, options_.sites, options_.rows, transfers_.size(), "alignments"};
  for_each_edit(probs, scope, [&](std::size_t setting, const auto& target, const auto& source) {
    transfers_[setting].apply(target, source, [](int64_t) { return true; });
  });
  return probs;
}

}  // namespace sd
