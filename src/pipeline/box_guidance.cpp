#include "sd/pipeline/box_guidance.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "pipeline/box_mask.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// 1 inside of the boxes: [h·w].
torch::Tensor mask_of(const std::vector<ShareBox>& boxes, const CrossMap& map) {
  auto mask = at::zeros({map.height, map.width}, map.probs.options().requires_grad(false));
  for (const auto& box : boxes) {
    const BoxSpan across(box.x0, box.x1, map.width), down(box.y0, box.y1, map.height);
    mask.narrow(0, down.begin, down.size).narrow(1, across.begin, across.size).fill_(1);
  }
  return mask.flatten();
}

}  // namespace

void check_boxed_words(const std::vector<BoxedWord>& words) {
  for (const auto& word : words) {
    if (word.positions.empty() || word.boxes.empty()) {
      throw UsageError("box guidance: a word has no tokens or no box");
    }
    for (const auto& box : word.boxes) check_box("box guidance", {"", box});
  }
}

torch::Tensor box_energy(const std::vector<CrossMap>& maps, const std::vector<BoxedWord>& words) {
  std::vector<torch::Tensor> energies;
  for (const auto& map : maps) {
    for (const auto& word : words) {
      const auto mask = mask_of(word.boxes, map);
      std::vector<torch::Tensor> tokens;
      for (const int64_t position : word.positions) {
        const auto paid = map.probs.select(3, position);  // [1,heads,Q]
        const auto inside = (paid * mask).sum(-1) / paid.sum(-1);
        tokens.push_back((1 - inside).square().mean());
      }
      energies.push_back(at::stack(tokens).mean());
    }
  }
  return at::stack(energies).mean();
}

BoxGuidance::BoxGuidance(BoxGuidanceOptions options) : options_(std::move(options)) {
  const auto& o = options_;
  const bool in_range = o.scale >= 0 && std::isfinite(o.scale) && o.until >= 0 && o.until <= 1 &&
                        o.rounds >= 0 && o.threshold >= 0;
  if (!in_range) throw UsageError("box guidance: options are out of range");
  for (const auto& row : o.words) check_boxed_words(row);
}

bool BoxGuidance::acts(const StepInfo& step) const {
  return StepShare{0, options_.until}.contains(step.step, step.num_steps);
}

torch::Tensor BoxGuidance::guide(const torch::Tensor& x, const GuidePlace& place,
                                 DifferentiableUNet& unet) {
  const auto& rows = options_.words;
  const auto& words =
      rows.size() == 1 ? rows.front() : rows.at(static_cast<std::size_t>(place.row));
  if (words.empty()) return x;
  const auto side = std::min(x.size(2), x.size(3));
  const auto looked_at = [&, side](const AttentionSite& site) {
    if (site.part == UNetPart::kMiddle) return side / site.downsampling >= options_.least_side;
    return site.part == UNetPart::kUp && site.downsampling == options_.downsampling;
  };
  auto moving = x;
  for (int64_t round = 0; round < options_.rounds; ++round) {
    moving = moving.detach().clone().requires_grad_();
    const auto made = unet.evaluate(moving, {.maps = looked_at, .output = false});
    ++counts_.evaluations;
    if (made.maps.empty()) {
      throw UsageError("box guidance: this model has no cross-attention in layers of that side");
    }
    const auto energy = box_energy(made.maps, words);
    counts_.last_loss = energy.item<double>();
    if (round == 0) counts_.loss_before = counts_.last_loss;
    if (counts_.steps == 0 && round == 0) counts_.first_loss = counts_.last_loss;
    if (counts_.last_loss <= options_.threshold) break;
    const auto slope = torch::autograd::grad({energy}, {moving}).front();
    moving = moving.detach() - (1 - place.alpha) * options_.scale * slope;
  }
  ++counts_.steps;
  return moving.detach();
}

}  // namespace sd
