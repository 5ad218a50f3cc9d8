#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "sd/core/step_share.h"

namespace sd {

/// Factors of FreeU (arXiv:2309.11497): b of the way up's own features, s of the low frequencies of
/// what skips to it. 1 is of the widest level, 2 of the next.
struct FreeUFactors {
  double b1 = 1, b2 = 1, s1 = 1, s2 = 1;
  bool operator==(const FreeUFactors&) const = default;
};

/// Dynamic thresholding of latents: guided by `guidance_scale`, as strong as if by `mimic_scale`.
struct DynamicThreshold {
  double mimic_scale = 7;
  double percentile = 1;  // of the values of a channel, above which they are cut off
  bool operator==(const DynamicThreshold&) const = default;
};

/// Adaptive projected guidance (arXiv:2410.02416, algorithm 1).
struct ProjectedGuidance {
  double eta = 1;       // of the part that is parallel to the prompt's own prediction
  double norm = 15;     // that the difference of predictions may have; 0: any
  double momentum = 0;  // of the differences of the steps before
  bool operator==(const ProjectedGuidance&) const = default;
};

/// What may be added to classifier-free guidance. Every default is none of it, to the bit.
struct AddedGuidance {
  double pag_scale = 0;            // perturbed attention (arXiv:2403.17377)
  std::string pag_layers = "mid";  // names of layers, see parse_layer_names
  double pag_adaptive = 0;         // how much the scale falls for each timestep below 1000
  double seg_scale = 0;            // smoothed energy (arXiv:2408.00760)
  double seg_sigma = std::numeric_limits<double>::infinity();  // of the blur, in queries
  std::string seg_layers = "mid";
  double sag_scale = 0;  // self-attention guidance (arXiv:2210.00939)
  double sag_sigma = 1;  // of the blur, in latents
  std::optional<FreeUFactors> freeu = {};
  int64_t freeu_version = 2;
  StepShare freeu_interval = {};  // the steps with FreeU
  std::optional<DynamicThreshold> dynamic_threshold = {};
  std::optional<ProjectedGuidance> apg = {};
  double nag_scale = 1;  // normalized attention (arXiv:2505.21179); 1: none
  double nag_tau = 2.5;
  double nag_alpha = 0.25;
  bool operator==(const AddedGuidance&) const = default;

  /// Whether another pass of the prompt is needed, whose self-attention is perturbed.
  bool perturbs() const { return pag_scale != 0 || seg_scale != 0; }
};

}  // namespace sd
