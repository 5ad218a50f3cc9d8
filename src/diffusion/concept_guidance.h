#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "sd/diffusion/denoiser.h"

namespace sd {

/// Where a call stands in its run.
struct ConceptPlace {
  double t = 0;  // DDPM timestep
  int64_t step = 0, num_steps = 0;
};

/// Throws UsageError for scales and thresholds out of range, and where no concept is looked for in
/// attention.
void check_concepts(const Guidance& guidance, const ConceptAttention& attention);

/// Whether any of the concepts acts in a step.
bool concepts_act(const Guidance& guidance, int64_t step, int64_t num_steps);

/// Where a concept e is looked at, [B,1,h,w] of zeros and ones (LEDITS++, arXiv:2311.16711, eq. 9
/// and 10, with the blur of its published code): attention [B,h',w'], blurred, from its quantile λ
/// on, enlarged by nearest pixels to `size`.
torch::Tensor attention_mask(const torch::Tensor& attention, double threshold,
                             at::IntArrayRef size);

/// Σ_e s_e M_e (ε_e − ε_uncond) over those that act, [B,4,h,w] (eq. 8 and 11). M_e is where the
/// concept is looked at and, from timestep 800 on down, where Σ_channels |ε_e − ε_uncond| is at its
/// quantile λ or above. `eps` is ε_e of every concept.
torch::Tensor concept_difference(const Guidance& guidance, const std::vector<torch::Tensor>& eps,
                                 const torch::Tensor& unconditional,
                                 const ConceptAttention& attention, const ConceptPlace& place);

}  // namespace sd
