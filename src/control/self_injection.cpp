#include "sd/control/self_injection.h"

#include "control/rows.h"

namespace sd {

AttentionUse SelfInjection::use(const AttentionCall& call) const {
  const bool edits = call.site.kind == AttentionKind::kSelf &&
                     call.site.downsampling >= options_.min_downsampling &&
                     options_.steps.contains(call.step) && options_.sites.matches(call) &&
                     has_source(call.rows);
  return edits ? AttentionUse::kChange : AttentionUse::kNone;
}

StepUse SelfInjection::step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const {
  return options_.steps.contains(step) && has_source(rows) ? StepUse::kOther : StepUse::kNone;
}

torch::Tensor SelfInjection::apply(torch::Tensor probs, const AttentionCall& call) {
  for_each_edit(probs, {call, options_.sites, options_.rows},
                [](std::size_t, const torch::Tensor& target, const torch::Tensor& source) {
                  target.copy_(source);
                });
  return probs;
}

}  // namespace sd
