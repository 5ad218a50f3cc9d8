#pragma once

#include <torch/types.h>

#include "sd/diffusion/denoiser.h"

namespace sd {

/// Where predictions are made: what clean latents and velocities are told by.
struct PredictionPlace {
  const torch::Tensor& x;  // [B,4,h,w]
  double alpha = 1;        // ᾱ

  /// Clean latents of ε, and the other way.
  torch::Tensor clean(const torch::Tensor& eps) const;
  torch::Tensor noise(const torch::Tensor& clean) const;
  /// The velocity of ε.
  torch::Tensor velocity(const torch::Tensor& eps) const;
};

/// Adaptive projected guidance (arXiv:2410.02416, algorithm 1): what is to be scaled of the
/// difference that the prompt makes. `momentum` is the sum of the differences so far, and is
/// brought up to date; undefined before the first.
torch::Tensor projected(const torch::Tensor& difference, const torch::Tensor& conditional,
                        const ProjectedGuidance& settings, torch::Tensor& momentum);

/// Dynamic thresholding (mcmonkey's, of the web UIs): clean latents guided strongly, [B,C,h,w],
/// with the spread that those guided by the mimicked scale have in each channel.
torch::Tensor thresholded(const torch::Tensor& guided, const torch::Tensor& mimicked,
                          double percentile);

/// The scale of perturbed attention guidance at timestep t (diffusers' adaptive form).
double perturbation_scale(const AddedGuidance& added, double t);

/// ε_reference − ε of latents that are blurred where the model looks (arXiv:2210.00939, eq. 16).
torch::Tensor self_attention_difference(const SelfAttentionModel& model, const Guidance& guidance,
                                        const torch::Tensor& eps, const PredictionPlace& place,
                                        double t, int64_t step);

/// Throws UsageError for settings that are out of range or not finite, or that contradict each
/// other or what is drawn.
void check_added_guidance(const Guidance& guidance, const SelfAttentionModel& self_attention);

}  // namespace sd
