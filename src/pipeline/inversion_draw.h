#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/batch_rows.h"
#include "pipeline/start.h"
#include "sd/control/latent_edit.h"
#include "sd/diffusion/denoiser.h"
#include "sd/pipeline/inversion.h"

namespace sd {

/// The request as a drawing along its inversion carries it out: with the eta and the strength that
/// the method has. Throws UsageError for what the method is not defined with.
DrawRequest along_inversion(const LoadedModel& model, const DrawRequest& request);

/// The path in the scale of the sampler, [S+1,C,h,w].
torch::Tensor in_levels_of(const SamplingPlan& plan, const Inversion& inversion,
                           torch::Device device);

/// Where such a drawing starts, with the plan of its steps. Throws UsageError where the path has
/// other noise levels or another size.
Start start_along(const LoadedModel& model, const DrawRequest& request, const BatchRows& rows,
                  NoiseSource& noise);

/// The scale of the source's rows, where it is not that of the targets.
std::optional<double> source_scale(const DrawRequest& request);

/// Whether the source prompt stands in the place of the negative one.
bool negates_source(const DrawRequest& request);

/// Which rows of a pass a request's control nets add to; empty: all. Along an inversion that was
/// made without any, a source is drawn without them too, as it was inverted, and they act in
/// targets alone. Direct inversion brings a source back whatever acts in it, so there they do.
std::vector<bool> rows_with_controls(const DrawRequest& request);
/// The same of pictures that are followed.
std::vector<bool> rows_with_image_prompts(const DrawRequest& request);

/// Direct inversion: after each step the source's rows are the path's latents, bit for bit
/// (arXiv:2310.01506, algorithm 1, with the difference added where it arises). A target's are left
/// alone, but for one that equals its source to the bit before that: it has not left the source and
/// goes back with it. So a source's own prompt draws the picture, and a control that begins later
/// begins on the path.
class SourcePath final : public LatentEdit {
 public:
  SourcePath(const Inversion& inversion, const SamplingPlan& plan, torch::Device device);
  torch::Tensor edit(torch::Tensor x, const StepInfo& step,
                     const std::vector<RowGroup>& rows) override;

 private:
  torch::Tensor path_;  // [S+1,C,h,w] in the scale of the sampler
};

/// Tells how far a source's rows are from an inversion's path after each step, and changes nothing.
class PathWatch final : public LatentEdit {
 public:
  PathWatch(const Inversion& inversion, const SamplingPlan& plan, torch::Device device,
            std::shared_ptr<DrawActs> acts);
  torch::Tensor edit(torch::Tensor x, const StepInfo& step,
                     const std::vector<RowGroup>& rows) override;

 private:
  torch::Tensor path_;  // as SourcePath's
  std::shared_ptr<DrawActs> acts_;
};

/// The noises of edit-friendly inversion, one a step, for every row alike.
class StoredNoises final : public NoiseSource {
 public:
  StoredNoises(const Inversion& inversion, torch::Device device);
  torch::Tensor randn(at::IntArrayRef shape) override;

 private:
  torch::Tensor noises_;
  int64_t next_ = 0;
};

/// Denoising diffusion consistent models (InfEdit, arXiv:2312.04965, algorithm 2): the source's
/// noise is known, ε' = (x − √ᾱ z₀)/√(1 − ᾱ), and targets get what they predict beyond the source
/// beside it, ε_target − ε_source + ε'.
class VirtualInversion final : public Denoiser {
 public:
  /// `model` is lent. `alpha` is ᾱ at a timestep, `clean` the picture's latents [C,h,w].
  VirtualInversion(Denoiser& model, std::function<double(double)> alpha, torch::Tensor clean,
                   const BatchRows& rows)
      : model_(model), alpha_(std::move(alpha)), clean_(std::move(clean)), rows_(rows) {}
  torch::Tensor eps(const torch::Tensor& x, double t, int64_t step) override;

 private:
  Denoiser& model_;
  std::function<double(double)> alpha_;
  torch::Tensor clean_;
  BatchRows rows_;
};

/// What changes latents after a step, in order.
using LatentEdits = std::vector<LatentEdit*>;

/// What a drawing does besides where it follows an inversion; nothing where it follows none.
class AlongInversion {
 public:
  AlongInversion(const LoadedModel& model, const DrawRequest& request, const Start& start,
                 const BatchRows& rows);
  AlongInversion(const AlongInversion&) = delete;
  AlongInversion& operator=(const AlongInversion&) = delete;

  /// With the request's own behind: a source goes back to its path before anything looks at it.
  LatentEdits edits(const DrawRequest& request);
  /// What DDIM draws from in place of `drawn`.
  NoiseSource& noise(NoiseSource& drawn);
  /// The denoiser that is to be sampled with; `denoiser` is lent.
  Denoiser& around(Denoiser& denoiser);

 private:
  BatchRows rows_;
  std::optional<PathWatch> watch_;
  std::optional<SourcePath> path_;
  std::optional<StoredNoises> noises_;
  std::optional<VirtualInversion> consistent_;
  torch::Tensor clean_;  // of DDCM, [C,h,w]
  std::function<double(double)> alpha_;
};

}  // namespace sd
