#include "pipeline/appearance.h"

#include <ATen/ops/var_mean.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <string_view>
#include <utility>

#include "control/rows.h"
#include "pipeline/check.h"
#include "pipeline/inversion_draw.h"
#include "sd/core/error.h"
#include "sd/pipeline/inversion.h"

namespace sd {
namespace {

constexpr double kEps = 1e-5;
constexpr double kObject = 0.5;

void check_path(const Inversion& picture, const SamplingPlan& plan, at::IntArrayRef latents) {
  const auto& path = picture.path;
  const bool fits = path.defined() && path.dim() == 4 && path.size(0) == plan.size() + 1 &&
                    path.sizes().slice(1) == latents.slice(1);
  if (fits) return;
  throw UsageError(fmt::format(
      "appearance: the picture was inverted to latents [{}], expected [{},{}]\nInvert it in the "
      "size and along the steps that are drawn.",
      path.defined() ? fmt::format("{}", fmt::join(path.sizes(), ",")) : "", plan.size() + 1,
      fmt::join(latents.slice(1), ",")));
}

/// The pixels of an object, [h,w]; undefined where there is no mask.
torch::Tensor object_of(const torch::Tensor& mask, std::string_view name, at::IntArrayRef latents,
                        torch::Device device) {
  if (!mask.defined()) return {};
  const bool fits = mask.dim() == 4 && mask.size(0) == 1 && mask.size(1) == 1 &&
                    mask.sizes().slice(2) == latents.slice(2);
  if (!fits) {
    throw UsageError(fmt::format("appearance: the mask of {} has shape [{}], expected [1,1,{}]",
                                 name, fmt::join(mask.sizes(), ","),
                                 fmt::join(latents.slice(2), ",")));
  }
  auto object = mask[0][0].ge(kObject);
  const auto pixels = object.sum().item<int64_t>();
  if (pixels < 2) {
    throw UsageError(
        fmt::format("appearance: the mask of {} has {} pixels of the latents, which have no "
                    "deviation\nWhite is the object.",
                    name, pixels));
  }
  return object.to(device);
}

struct Statistics {
  torch::Tensor deviation, mean;  // [R,C,1,1]
};

Statistics statistics(const torch::Tensor& x, const torch::Tensor& object) {
  if (!object.defined()) {
    const auto [variance, mean] = at::var_mean(x, {2, 3}, /*correction=*/1, /*keepdim=*/true);
    return {(variance + kEps).sqrt(), mean};
  }
  const auto pixels = x.flatten(2).index_select(2, object.flatten().nonzero().squeeze(1));
  const auto [variance, mean] = at::var_mean(pixels, {2}, /*correction=*/1, /*keepdim=*/true);
  return {(variance + kEps).sqrt().unsqueeze(3), mean.unsqueeze(3)};
}

}  // namespace

AppearanceStatistics::AppearanceStatistics(const LoadedModel& model,
                                           std::shared_ptr<const RowSharing> sharing,
                                           const SamplingPlan& plan, at::IntArrayRef latents)
    : sharing_(std::move(sharing)) {
  const torch::Device device(model.device);
  from_ = object_of(sharing_->appearance_object, "the appearance", latents, device);
  onto_ = object_of(sharing_->target_object, "the target", latents, device);
  if (!sharing_->appearance_picture) return;
  check_path(*sharing_->appearance_picture, plan, latents);
  require_finite(sharing_->appearance_picture->path, "the appearance's path");
  path_ = in_levels_of(plan, *sharing_->appearance_picture, device);
}

torch::Tensor AppearanceStatistics::after(torch::Tensor x, const StepInfo& step,
                                          const std::vector<RowGroup>& rows) const {
  if (!sharing_->appearance->statistics.contains(step.step, step.num_steps)) return x;
  for (const auto& target : rows) {
    const auto* source = source_beside(target, rows);
    if (target.branch != RowGroup::Branch::kTarget || source == nullptr) continue;
    const auto own = x.narrow(0, target.begin, target.count);
    const auto other = path_.defined() ? path_.narrow(0, step.step + 1, 1)
                                       : x.narrow(0, source->begin, source->count);
    const auto [deviation, mean] = statistics(own, onto_);
    const auto [other_deviation, other_mean] = statistics(other, from_);
    const auto changed = (own - mean) / deviation * other_deviation + other_mean;
    own.copy_(onto_.defined() ? at::where(onto_, changed, own) : changed);
  }
  return x;
}

}  // namespace sd
