// Evaluations of one row under autograd.
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "pipeline/noise_model.h"
#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/nn/forward_edits.h"

namespace sd {
namespace {

/// Values that were made in inference mode, in float32, as an input that autograd may keep.
torch::Tensor as_input(const torch::Tensor& values) { return values.to(at::kFloat).clone(); }

}  // namespace

int64_t BatchNoiseModel::conditional_row(const GuidePlace& place) const {
  const auto group = std::ranges::find_if(groups_, [&](const RowGroup& rows) {
    return rows.conditional && rows.branch == RowGroup::Branch::kTarget &&
           rows.target == place.target && rows.part == 0;
  });
  if (group == groups_.end()) throw Error("guides: no row of the batch is of that target");
  return group->begin + place.sample;
}

ForwardEdits BatchNoiseModel::edits_of(const GuidePlace& place) const {
  ForwardEdits edits;
  const auto& added = guidance_.added;
  if (added.freeu && added.freeu_interval.contains(place.step.step, place.step.num_steps)) {
    edits.freeu = {*added.freeu, added.freeu_version};
  }
  if (embedded_scales_.empty()) return edits;
  const auto all = time_condition();
  edits.time_condition = as_input(all.size(0) == 1 ? all : all.narrow(0, place.sample, 1));
  return edits;
}

GradientOutputs BatchNoiseModel::with_gradients(const torch::Tensor& x, const GuidePlace& place,
                                                const GradientChoice& choice) {
  const int64_t row = conditional_row(place);
  const auto context = as_input(contexts_.at(place.step.step).narrow(0, row, 1));
  const auto edits = edits_of(place);
  ForwardContext run;
  run.step = place.step;
  run.edits = &edits;
  const auto t = at::full({1}, place.step.timestep, x.options().requires_grad(false));
  const auto input = extra_.defined() ? at::cat({x, as_input(extra_.narrow(0, row, 1))}, 1) : x;
  ++*calls_;
  auto made = model_.model->unet->forward_with_gradients(input, t, context, run, choice);
  if (made.output.defined() && model_.config.prediction == Prediction::kVelocity) {
    made.output = eps_from_velocity(made.output, x, place.alpha);
  }
  return made;
}

}  // namespace sd
