#include "sd/pipeline/refining_guide.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pad.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "sd/core/error.h"

namespace sd {
namespace {

/// The tokens' places: not those that begin and end a chunk.
std::vector<int64_t> token_places(int64_t positions, int64_t chunk) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < positions; ++i) {
    if (i % chunk != 0 && i % chunk != chunk - 1) places.push_back(i);
  }
  return places;
}

/// A Gaussian of 3×3 over maps [W,h,w], which are mirrored at their edges.
torch::Tensor smoothed(const torch::Tensor& maps) {
  constexpr double kSigma = 0.5;
  const double beside = std::exp(-std::pow(1 / (2 * kSigma), 2));  // as published
  auto line = at::tensor({beside, 1.0, beside}, maps.options().requires_grad(false));
  line = line / line.sum();
  const auto padded = at::pad(maps.unsqueeze(1), {1, 1, 1, 1}, "reflect");
  return at::conv2d(padded, at::outer(line, line).view({1, 1, 3, 3})).squeeze(1);
}

int64_t step_of(double part, int64_t num_steps) {
  constexpr double kRounding = 1e-9;
  return static_cast<int64_t>(part * static_cast<double>(num_steps) + kRounding);
}

}  // namespace

torch::Tensor word_shares(const std::vector<CrossMap>& maps,
                          const std::vector<std::vector<int64_t>>& words,
                          const RefiningOptions& options) {
  std::vector<torch::Tensor> heads;
  for (const auto& map : maps) heads.push_back(map.probs);
  const auto mean = at::cat(heads, 1).mean(1).squeeze(0);  // [Q,K]
  const auto places = token_places(mean.size(1), options.chunk);
  const auto index = at::tensor(places, at::kLong).to(mean.device());
  const auto shares = at::softmax(mean.index_select(1, index) * options.sharpness, 1);
  std::vector<torch::Tensor> of_words;
  for (const auto& word : words) {
    std::vector<torch::Tensor> tokens;
    for (const int64_t position : word) {
      const auto place = std::ranges::lower_bound(places, position) - places.begin();
      tokens.push_back(shares.select(1, place));
    }
    of_words.push_back(at::stack(tokens).sum(0));
  }
  const auto& grid = maps.front();
  return smoothed(at::stack(of_words).view({-1, grid.height, grid.width}));
}

RefiningGuide::RefiningGuide(RefiningOptions options) : options_(std::move(options)) {
  const auto& o = options_;
  const bool in_range = o.scale >= 0 && std::isfinite(o.scale) && o.last_share >= 0 &&
                        o.until >= 0 && o.until <= 1 && o.rounds >= 0 && o.chunk > 2 &&
                        o.sharpness > 0 && std::isfinite(o.sharpness);
  if (!in_range) throw UsageError("guides: options are out of range");
}

bool RefiningGuide::acts(const StepInfo& step) const {
  if (step.step < step_of(options_.until, step.num_steps)) return true;
  return std::ranges::any_of(options_.thresholds, [&](const auto& threshold) {
    return step.step == step_of(threshold.first, step.num_steps);
  });
}

RefiningGuide::Seen RefiningGuide::look(const torch::Tensor& x, int64_t row,
                                        DifferentiableUNet& unet) {
  Seen seen{x.detach().clone().requires_grad_(), {}};
  const auto made = unet.evaluate(
      seen.x, {.maps = [down = options_.downsampling](
                           const AttentionSite& site) { return site.downsampling == down; },
               .output = false});
  ++counts_.evaluations;
  if (made.maps.empty()) {
    throw UsageError("guides: this model has no cross-attention in layers of that side");
  }
  seen.loss = loss(made.maps, row);
  return seen;
}

torch::Tensor RefiningGuide::moved(const Seen& seen, const StepInfo& step) const {
  if (seen.loss.moving.item<double>() == 0) return seen.x.detach();
  const auto last = static_cast<double>(std::max<int64_t>(step.num_steps - 1, 1));
  const double share = 1 - (1 - options_.last_share) * static_cast<double>(step.step) / last;
  const auto slope = torch::autograd::grad({seen.loss.moving}, {seen.x}).front();
  return seen.x.detach() - options_.scale * std::sqrt(share) * slope;
}

torch::Tensor RefiningGuide::guide(const torch::Tensor& x, const GuidePlace& place,
                                   DifferentiableUNet& unet) {
  if (!guides_row(place.row)) return x;
  const auto& step = place.step;
  auto seen = look(x, place.row, unet);
  counts_.loss_before = seen.loss.falls_short;
  if (counts_.steps == 0) counts_.first_loss = seen.loss.falls_short;
  for (const auto& [part, share] : options_.thresholds) {
    if (step.step != step_of(part, step.num_steps)) continue;
    // As published: each round also moves once when it has just met the threshold.
    double before = seen.loss.falls_short;
    for (int64_t round = 0; round < options_.rounds && before > 1 - share; ++round) {
      before = seen.loss.falls_short;
      seen = look(moved(seen, step), place.row, unet);
    }
  }
  counts_.last_loss = seen.loss.falls_short;
  ++counts_.steps;
  return step.step < step_of(options_.until, step.num_steps) ? moved(seen, step) : seen.x.detach();
}

}  // namespace sd
