#pragma once

#include <map>
#include <memory>
#include <utility>

#include "sd/pipeline/control_acts.h"
#include "sd/pipeline/latent_guide.h"

namespace sd {

/// Stands in front of one guide of one drawing and watches how far it moves latents: |x' − x| / |x|
/// of a row, before a step. It changes nothing.
class GuideWatch final : public LatentGuide {
 public:
  GuideWatch(std::shared_ptr<LatentGuide> guide, std::shared_ptr<ControlActs> acts)
      : guide_(std::move(guide)), acts_(std::move(acts)) {}

  bool acts(const StepInfo& step) const override { return guide_->acts(step); }
  torch::Tensor guide(const torch::Tensor& x, const GuidePlace& place,
                      DifferentiableUNet& unet) override;
  GuideCounts counts() const override { return guide_->counts(); }

  /// At the end of the drawing: tells what each row's loss was at first and at last.
  void finish() const;

 private:
  std::shared_ptr<LatentGuide> guide_;
  std::shared_ptr<ControlActs> acts_;
  std::map<int64_t, std::pair<double, double>> losses_;  // of rows that it looked at
};

}  // namespace sd
