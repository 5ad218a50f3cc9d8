#include "pipeline/guide_run.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "pipeline/check.h"
#include "sd/core/error.h"
#include "sd/pipeline/row_sharing.h"

namespace sd {
namespace {

void refuse(bool given, std::string_view field, std::string_view why) {
  if (!given) return;
  throw UsageError(fmt::format("{}: {}; leave one of the two out", field, why));
}

/// A guide's gradient would be that of another picture than the one that is drawn.
void check(const DrawRequest& request, bool composed) {
  refuse(request.deepcache > 1, "deepcache",
         "guides move latents by gradients through every layer, and between whole steps the deep "
         "ones are not computed");
  refuse(request.token_merging > 0, "token_merging",
         "guides move latents by gradients through the whole UNet, in which no pixels are merged");
  refuse(!request.controls.empty(), "controls",
         "guides move latents by gradients, which do not go through control nets");
  refuse(!request.image_prompts.empty(), "image_prompts",
         "guides look for the words of a prompt alone, not for pictures");
  refuse(!request.networks.empty(), "networks",
         "guides move latents by gradients through the model's own weights, and these LoRAs hold "
         "for some rows or steps alone");
  refuse(
      request.sharing != nullptr && request.sharing->count() > 0, "sharing",
      "guides move latents by gradients of a row that looks at itself alone, and these rows look "
      "at others too");
  refuse(composed, "guides",
         "prompts joined by AND are drawn in passes of their own, and words of one do not compete "
         "with those of another");
}

class RowUNet final : public DifferentiableUNet {
 public:
  RowUNet(BatchNoiseModel& model, const GuidePlace& place) : model_(model), place_(place) {}
  GradientOutputs evaluate(const torch::Tensor& x, const GradientChoice& choice) override {
    return model_.with_gradients(x, place_, choice);
  }

 private:
  BatchNoiseModel& model_;
  const GuidePlace& place_;
};

}  // namespace

GuideRun::GuideRun(const DrawRequest& request, const BatchRows& rows, const SamplingPlan& plan,
                   std::shared_ptr<BatchNoiseModel> model)
    : request_(request), rows_(rows), plan_(plan), model_(std::move(model)) {
  if (!request.guides.empty()) check(request, model_->draws_parts());
}

torch::Tensor GuideRun::moved(const torch::Tensor& row, const GuidePlace& place) {
  const c10::InferenceMode off(false);
  const auto before = row.to(at::kFloat).clone();  // [1,4,h,w]; autograd may keep a copy
  RowUNet unet(*model_, place);
  auto x = before;
  for (const auto& guide : request_.guides) {
    if (guide->acts(place.step)) x = guide->guide(x.detach(), place, unet).detach();
  }
  require_finite(x, fmt::format("guides, before step {}", place.step.step + 1));
  return x - before;
}

torch::Tensor GuideRun::before(int64_t step, torch::Tensor x) {
  const StepInfo info{step, plan_.size(), plan_.timestep(step), 0};
  const auto acts = [&](const auto& guide) { return guide->acts(info); };
  if (std::ranges::none_of(request_.guides, acts)) return x;
  const double scale = plan_.input_scale(step);
  auto result = x.clone();
  for (int64_t row = 0; row < rows_.target_rows(); ++row) {
    const GuidePlace place{info, plan_.alpha(step), row / rows_.samples, row % rows_.samples, row};
    // Only the difference goes back: where there is none, no bit of the latents changes.
    result.narrow(0, row, 1).add_(moved(x.narrow(0, row, 1) / scale, place), scale);
  }
  return result;
}

}  // namespace sd
