#include "sd/pipeline/guide_watch.h"

namespace sd {

torch::Tensor GuideWatch::guide(const torch::Tensor& x, const GuidePlace& place,
                                DifferentiableUNet& unet) {
  const auto steps = guide_->counts().steps;
  auto moved = guide_->guide(x, place, unet);
  const auto counts = guide_->counts();
  if (counts.steps == steps) return moved;  // a row that has none of the words
  const auto length = x.norm().item<double>();
  acts_->note(place.step,
              length == 0 ? 0 : (moved.detach() - x.detach()).norm().item<double>() / length);
  const auto [seen, is_first] =
      losses_.try_emplace(place.row, counts.loss_before, counts.last_loss);
  if (!is_first) seen->second.second = counts.last_loss;
  return moved;
}

void GuideWatch::finish() const {
  for (const auto& [row, losses] : losses_) acts_->note_loss(losses.first, losses.second);
}

}  // namespace sd
