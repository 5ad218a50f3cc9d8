#include "sd/control/masked_swap.h"

#include <ATen/ops/where.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "control/rows.h"
#include "sd/core/error.h"

namespace sd {

namespace {

/// Where a pixel of a graded mask may not change yet at the end of this step.
torch::Tensor kept_after(const torch::Tensor& mask, const StepInfo& step) {
  const bool last = step.step + 1 >= step.num_steps;
  if (last) return mask.eq(0);
  return (1 - mask).gt(static_cast<double>(step.step + 1) / static_cast<double>(step.num_steps));
}

}  // namespace

MaskedSwap::MaskedSwap(torch::Tensor mask, bool graded) : mask_(std::move(mask)), graded_(graded) {
  if (mask_.ge(0).logical_and(mask_.le(1)).all().item<bool>()) return;
  throw UsageError("masked swap: the mask has values outside [0, 1]");
}

torch::Tensor MaskedSwap::edit(torch::Tensor x, const StepInfo& step,
                               const std::vector<RowGroup>& rows) {
  if (!has_source(rows)) throw UsageError("masked swap needs a source prompt");
  const auto mask = mask_.to(x.device(), x.scalar_type());
  for (const auto& target : rows) {
    if (target.branch != RowGroup::Branch::kTarget) continue;
    const bool fits = mask.dim() == 4 && (mask.size(0) == 1 || mask.size(0) == target.count) &&
                      mask.size(1) == 1 && mask.size(2) == x.size(2) && mask.size(3) == x.size(3);
    if (!fits) {
      throw UsageError(
          fmt::format("masked swap: the mask has shape [{}], expected [1 or {},1,{},{}]",
                      fmt::join(mask.sizes(), ", "), target.count, x.size(2), x.size(3)));
    }
    const auto* source = source_beside(target, rows);
    const auto of_target = x.narrow(0, target.begin, target.count);
    const auto of_source = x.narrow(0, source->begin, source->count);
    of_target.copy_(graded_ ? at::where(kept_after(mask, step), of_source, of_target)
                            : mask * of_target + (1 - mask) * of_source);
  }
  return x;
}

}  // namespace sd
