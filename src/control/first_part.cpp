#include "sd/control/first_part.h"

#include <algorithm>
#include <iterator>

namespace sd {
namespace {

std::vector<RowGroup> first_parts(const std::vector<RowGroup>& rows) {
  std::vector<RowGroup> first;
  std::ranges::copy_if(rows, std::back_inserter(first),
                       [](const RowGroup& group) { return group.part == 0; });
  return first;
}

/// A call with those rows, which must outlive what is returned.
AttentionCall with_rows(const AttentionCall& call, const std::vector<RowGroup>& rows) {
  return {call.site, call.step, rows, call.height, call.width};
}

}  // namespace

AttentionUse FirstPart::use(const AttentionCall& call) const {
  const auto rows = first_parts(call.rows);
  return controller_->use(with_rows(call, rows));
}

StepUse FirstPart::step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const {
  // Columns are the same in all rows of a pass, which they are not here.
  return controller_->step_use(step, first_parts(rows)) == StepUse::kNone ? StepUse::kNone
                                                                          : StepUse::kOther;
}

bool FirstPart::observes(const RowGroup& rows, const AttentionCall& call) const {
  const auto first = first_parts(call.rows);
  return rows.part == 0 && controller_->observes(rows, with_rows(call, first));
}

void FirstPart::observe(const torch::Tensor& probs, const RowGroup& rows,
                        const AttentionCall& call) {
  const auto first = first_parts(call.rows);
  controller_->observe(probs, rows, with_rows(call, first));
}

torch::Tensor FirstPart::apply(torch::Tensor probs, const AttentionCall& call) {
  const auto first = first_parts(call.rows);
  return controller_->apply(std::move(probs), with_rows(call, first));
}

}  // namespace sd
