#include "sd/pipeline/control_watch.h"

#include <utility>

#include "sd/nn/column_edit.h"

namespace sd {
namespace {

bool counts(const RowGroup& group) {
  return group.branch == RowGroup::Branch::kTarget && group.conditional;
}

/// ½ Σ_k |after − before| of the rows that count, in the mean over rows, heads and pixels.
double moved_share(const torch::Tensor& before, const torch::Tensor& after,
                   const std::vector<RowGroup>& rows) {
  double sum = 0;
  int64_t pixels = 0;
  for (const auto& group : rows) {
    if (!counts(group)) continue;
    const auto of = [&](const torch::Tensor& probs) {
      return probs.narrow(0, group.begin, group.count);
    };
    const auto difference = of(after) - of(before);
    sum += 0.5 * difference.abs_().sum().item<double>();
    pixels += difference.size(0) * difference.size(1) * difference.size(2);
  }
  return pixels == 0 ? 0 : sum / static_cast<double>(pixels);
}

}  // namespace

torch::Tensor ControlWatch::apply(torch::Tensor probs, const AttentionCall& call) {
  if (!measures_ && acts_->acted()) return control_->apply(std::move(probs), call);
  const auto before = probs.clone();
  auto after = control_->apply(std::move(probs), call);
  if (is_basis(before, call)) {
    if (!before.equal(after)) acts_->note_everywhere(call.step);
  } else {
    acts_->note(call, moved_share(before, after, call.rows));
  }
  return after;
}

}  // namespace sd
