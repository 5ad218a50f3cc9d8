#pragma once

#include <torch/types.h>

#include <cstdint>

#include "sd/models/unet_gradients.h"
#include "sd/nn/attention_controller.h"

namespace sd {

/// Whose latents a guide is shown, and before which step.
struct GuidePlace {
  StepInfo step;       // of the sampler; `evaluation` is 0
  double alpha = 1;    // ᾱ of the noise in the latents
  int64_t target = 0;  // which of several targets
  int64_t sample = 0;
  int64_t row = 0;  // target · samples + sample
};

/// The UNet for one row, as a guide may ask for it any number of times: with that row's prompt
/// alone, in float32 whatever the model is held in, under autograd, block by block (checkpoints).
/// Other controls see nothing of these evaluations and change nothing in them.
class DifferentiableUNet {
 public:
  virtual ~DifferentiableUNet() = default;
  /// x [1,4,h,w] float32, which may ask for a gradient. The output is ε.
  virtual GradientOutputs evaluate(const torch::Tensor& x, const GradientChoice& choice) = 0;
};

/// What a guide did in its run.
struct GuideCounts {
  int64_t steps = 0;        // in which latents were moved, summed over rows
  int64_t evaluations = 0;  // of the UNet
  double first_loss = 0, last_loss = 0;
  double loss_before = 0;  // at the beginning of the latest step, as last_loss at its end
};

/// Moves the latents before a step by gradients through the UNet. One drawing's own: a guide may
/// remember what it did.
class LatentGuide {
 public:
  virtual ~LatentGuide() = default;
  /// Whether it may move anything before this step; where it does not, nothing is computed.
  virtual bool acts(const StepInfo& step) const = 0;
  /// Latents x [1,4,h,w] float32 of one target's sample as the UNet takes them (sqrt(ᾱ) x0 +
  /// sqrt(1−ᾱ) n, also for samplers that speak of σ) → where the step is to start from. Called
  /// under autograd; x asks for no gradient. A source's rows are never moved.
  virtual torch::Tensor guide(const torch::Tensor& x, const GuidePlace& place,
                              DifferentiableUNet& unet) = 0;
  /// What it did so far, for reports.
  virtual GuideCounts counts() const = 0;
};

}  // namespace sd
