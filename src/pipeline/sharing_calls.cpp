// What rows that look at other rows ask of a batch's noise model beside its one call.
#include <ATen/ops/cat.h>

#include <algorithm>

#include "pipeline/noise_model.h"
#include "sd/nn/equal_rows.h"

namespace sd {

void BatchNoiseModel::note_reference(const torch::Tensor& context, double alpha, const Call& call) {
  ++*calls_;
  auto& sharer = *sharing_->sharer();
  const auto pass = sharing_->reference_at(alpha, run_.step.step);
  const auto passes = contexts_.rows() / pass_rows_;
  auto input =
      pass.repeat({passes, 1, 1, 1}).narrow(0, call.first, call.count).to(model_.compute_dtype);
  if (extra_.defined()) input = at::cat({input, extra_.narrow(0, call.first, call.count)}, 1);
  // A plain call: nobody controls it or adds to it.
  ForwardEdits edits;
  edits.divided = edits_->divided;
  edits.time_condition = edits_->time_condition;
  edits.sharer = &sharer;
  auto run = run_;
  run.controller = nullptr;
  run.columns = nullptr;
  run.residuals = nullptr;
  run.edits = &edits;
  run.prompt = note_prompt_.get();
  if (!run.same_as.empty()) run.same_as = find_equal_rows(input);
  sharer.noting = true;
  forward(input, sharing_->reference_context(context), run);
  sharer.noting = false;
}

torch::Tensor BatchNoiseModel::pushed_by_sharing(const torch::Tensor& predicted,
                                                 const torch::Tensor& input,
                                                 const torch::Tensor& context) {
  const auto passes = guidance_.passes();
  const bool guided = std::ranges::count(passes, GuidancePass::kUnconditional) > 0;
  const double scale = sharing_->guidance_at(run_.step, guided);
  if (scale == 1) return predicted;
  ++*calls_;
  edits_->sharer = nullptr;
  edits_->concepts = nullptr;  // those of the first are looked at
  ++run_.step.evaluation;      // observers have seen the first
  const auto alone = evaluate(input, context).to(at::kFloat);
  --run_.step.evaluation;
  return alone + scale * (predicted - alone);
}

}  // namespace sd
