#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "sd/pipeline/draw.h"
#include "sd/weights/inversion_file.h"

namespace sd {

/// How one picture is drawn again by a model: what DrawRequest::inversion follows. The source's
/// rows of a drawing become that picture, as exactly as the method gives it; targets start where it
/// does. Tensors lie on the CPU in float32. The path has S steps; a drawing must have the noise
/// levels that it has.
struct Inversion : InversionFacts {
  std::vector<double> alphas;     // [S+1] ᾱ of each of the path's latents, rising
  std::vector<double> timesteps;  // [S]
  torch::Tensor path;             // [S+1,C,h,w] as DDPM scales them, noisiest first
  torch::Tensor context;          // [K,D] of the prompt; undefined: nothing is compared with it
  torch::Tensor unconditional;    // [S,K,D] of null-text; else undefined
  torch::Tensor noises;           // [S,C,h,w] of edit-friendly inversion; else undefined
  /// [1,C,h,w] of null-text optimisation that is not finished: where drawing is behind the steps
  /// that `unconditional` has. Else undefined.
  torch::Tensor latents;
  /// Of negative-prompt inversion: the quantile of |ε(target) − ε(source prompt)| up to which the
  /// difference counts as none (proximal guidance, arXiv:2306.05414). 0: all counts.
  double proximal = kDefaultProximal;
  ProximalNorm proximal_norm = ProximalNorm::kL0;

  int64_t steps_kept() const { return static_cast<int64_t>(timesteps.size()); }
  /// [C,h,w]: the picture's own latents.
  torch::Tensor picture_latents() const { return path[-1]; }
};

/// What is inverted, and how. Of the settings, what guides or changes a model counts too.
struct InversionRequest : DrawSettings {
  InversionMethod method = InversionMethod::kDirect;
  std::string prompt;
  torch::Tensor picture;  // [1,3,H,W] in [-1,1]
  /// How far it is brought towards noise: the last int(depth · steps) steps of the schedule.
  double depth = 1;
  /// Scale of guidance under which it is inverted; only edit-friendly inversion and null-text
  /// optimisation are defined for another one than 1.
  double inversion_guidance = 1;
  /// Null-text: what an earlier run knew, path and embeddings of its first steps, to go on from.
  std::shared_ptr<const Inversion> resume;
  /// Null-text: called after each step with what is known then, `unconditional` of as many steps
  /// as are done.
  std::function<void(const Inversion&)> on_partial;
};

struct InversionResult {
  Inversion inversion;
  DrawTiming timing;  // the UNet's calls: one a step, with guidance of two prompts as many rows
};

/// Inverts a picture. Random numbers come from `noise` where the method draws any (edit-friendly).
/// `picture`, `model`, `model_name` and what names `controls` and `image_prompts` are left to the
/// caller; there are as many of these as the request has. Throws UsageError for
/// a sampler, a model, a guidance or a prompt that the method is not defined for; else as `draw`.
InversionResult invert(const LoadedModel& model, const InversionRequest& request,
                       NoiseSource& noise);

/// Of DDCM, which needs no path: the picture's latents, encoded, and how many steps are drawn.
Inversion consistent_inversion(const LoadedModel& model, const InversionRequest& request);

Inversion inversion_of(const InversionFile& file);
InversionFile file_of(const Inversion& inversion);

}  // namespace sd
