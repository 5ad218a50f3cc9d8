#include "cli/draw/edit_masks.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/maximum.h>

#include <utility>

#include "cli/plan/planned_masks.h"
#include "sd/core/atomic_file.h"
#include "sd/image/mask.h"
#include "sd/image/png.h"
#include "sd/image/resize.h"
#include "sd/pipeline/auto_mask.h"

namespace sd::cli {
namespace {

torch::Tensor reduced(const Image& mask, int64_t factor) {
  const int64_t h = mask.height / factor, w = mask.width / factor;
  auto values = latent_mask(mask, h, w, MaskReduction::kBox);
  return at::from_blob(values.data(), {1, 1, h, w}, torch::kFloat).clone();
}

/// A mask of latents [1,1,h,w] in the picture's pixels.
Image in_pixels(const torch::Tensor& latents, Size size) {
  const auto bytes = latents[0][0].mul(255).round().to(at::kByte).contiguous();
  const auto* first = bytes.const_data_ptr<uint8_t>();
  const Image small{bytes.size(1), bytes.size(0), 1, {first, first + bytes.numel()}};
  return resize(small, size.width, size.height, Filter::kBox);
}

}  // namespace

Image SizedMask::paste(MaskMode mode) const {
  if (mode == MaskMode::kSoft) return pixels;
  auto whole = pixels;
  for (auto& value : whole.pixels) value = value > 0 ? 255 : 0;
  return whole;
}

SizedMask any_sized_mask(const DrawPlan& plan, const Image& mask) {
  SizedMask sized{shaped_mask(plan, mask), {}, {}};
  sized.latents = reduced(sized.pixels, plan.options.f);
  sized.fine = reduced(sized.pixels, 1);
  return sized;
}

SizedMask sized_mask(const DrawPlan& plan, const Image& mask, std::string_view option) {
  auto sized = any_sized_mask(plan, mask);
  require_white(plan, sized.pixels, option);
  return sized;
}

void save_mask(const DrawPlan& plan, const SizedMask& mask) {
  const auto& file = plan.options.input.save_mask;
  if (file) write_file(*file, encode_png(mask.pixels));
}

std::vector<torch::Tensor> region_maps(const DrawPlan& plan) {
  auto weights = planned_region_weights(plan);
  std::vector<torch::Tensor> maps;
  for (auto& map : weights.maps) {
    maps.push_back(
        at::from_blob(map.data(), {1, 1, weights.height, weights.width}, torch::kFloat).clone());
  }
  return maps;
}

std::shared_ptr<const SizedMask> AutoMasks::of(const PromptSet& set) {
  const auto& options = set.own != nullptr ? *set.own : plan_.options;
  const auto from = plan_.options.input.auto_mask_from;
  const std::tuple key(set.targets, from ? *from : set.source.value_or(""), options.seed.value());
  auto& mask = made_[key];
  if (!mask) mask = std::make_shared<const SizedMask>(made(set, options.seed.value()));
  return mask;
}

SizedMask AutoMasks::made(const PromptSet& set, uint64_t seed) const {
  const auto& options = plan_.options;
  AutoMaskRequest request;
  static_cast<PictureSettings&>(request) = options;
  request.embeddings = plan_.embeddings.words;
  request.source = options.input.auto_mask_from.value_or(set.source.value_or(""));
  request.init_image = inputs_.picture->tensor;
  request.threshold = options.input.auto_mask_threshold;
  torch::Tensor all;
  for (const auto& target : set.targets) {
    request.target = target;
    // A stream of its own, so that what is drawn behind it is drawn as with any other mask.
    SeededNoise noise(seed, options.rng, torch::Device(model_.device));
    const auto mask = auto_mask(model_, request, noise);
    all = all.defined() ? at::maximum(all, mask) : mask;
  }
  auto mask = sized_mask(plan_, in_pixels(all, {plan_.width(), plan_.height()}), "--auto-mask");
  if (made_.size() == 1) save_mask(plan_, mask);
  return mask;
}

}  // namespace sd::cli
