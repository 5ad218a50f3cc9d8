#include "cli/plan/planned_masks.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sd/core/error.h"
#include "sd/image/mask.h"
#include "sd/image/read.h"
#include "sd/image/region_weights.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

std::vector<float> in_latents(const DrawPlan& plan, const Image& mask) {
  const auto factor = plan.options.f;
  return latent_mask(mask, plan.height() / factor, plan.width() / factor, MaskReduction::kBox);
}

Image read_mask(const DrawPlan& plan, const fs::path& file) {
  return fit_mask(read_image(file), {plan.width(), plan.height()}).mask;
}

double mean_of(const std::vector<float>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// As a run takes it: an empty --edit-mask is refused, an empty --init-mask is told of.
double editable_by_mask(const DrawPlan& plan) {
  const auto& input = plan.options.input;
  const auto mask = shaped_mask(
      plan, read_mask(plan, input.edit_mask ? *input.edit_mask : input.init_mask.value()));
  if (input.edit_mask) require_white(plan, mask, "--edit-mask");
  return mean_of(in_latents(plan, mask));
}

/// As a blend takes it: hard, and not shaped.
double editable_by_blend(const DrawPlan& plan) {
  const auto mask = in_latents(plan, read_mask(plan, *plan.options.swap.blend_mask));
  const auto white = std::ranges::count_if(mask, [](float value) { return value > 0.5F; });
  return static_cast<double>(white) / static_cast<double>(mask.size());
}

/// For each region whether its weight is seen anywhere beside the others'.
std::vector<bool> seen_regions(const DrawPlan& plan) {
  const auto weights = planned_region_weights(plan);
  std::vector<bool> seen;
  for (std::size_t i = plan.regions.base > 0 ? 1 : 0; i < weights.maps.size(); ++i)
    seen.push_back(std::ranges::max(weights.maps[i]) >= kSeenWeight);
  return seen;
}

}  // namespace

Image shaped_mask(const DrawPlan& plan, const Image& mask) {
  const auto& input = plan.options.input;
  return blur_mask(grow_mask(input.invert_mask ? invert_mask(mask) : mask, input.mask_grow),
                   input.mask_blur);
}

void require_white(const DrawPlan& plan, const Image& shaped, std::string_view option) {
  if (std::ranges::any_of(shaped.pixels, [](uint8_t value) { return value > 0; })) return;
  const auto& input = plan.options.input;
  throw UsageError(fmt::format(
      "{}: the mask is empty{}: nothing may change\nWhite is what may change{}.", option,
      input.mask_grow < 0 ? fmt::format(" once it is narrowed by {} pixels", -input.mask_grow) : "",
      input.invert_mask ? "; --invert-mask turns that around" : ""));
}

RegionWeights planned_region_weights(const DrawPlan& plan) {
  const Size size{plan.width(), plan.height()};
  std::vector<Image> masks;
  for (const auto& region : plan.regions.regions)
    masks.push_back(blur_mask(region.sized(size), plan.regions.feather));
  const auto factor = plan.options.f;
  return region_weights(masks, plan.regions.base, size.height / factor, size.width / factor);
}

void find_shares(const DrawPlan& plan, std::vector<PlannedControl>& controls) {
  const auto seen = plan.regions.empty() ? std::vector<bool>() : seen_regions(plan);
  for (auto& control : controls) {
    if (control.kind == ControlKind::kRegion && !seen.at(control.number)) control.covers = 0;
    if (control.kind == ControlKind::kMask && !plan.options.input.auto_mask)
      control.editable = editable_by_mask(plan);
    if (control.kind == ControlKind::kLocalBlend && plan.options.swap.blend_mask)
      control.editable = editable_by_blend(plan);
  }
}

}  // namespace sd::cli
