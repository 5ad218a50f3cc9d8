#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sd/core/concept_edit.h"
#include "sd/core/guidance_settings.h"
#include "sd/core/inversion_method.h"

namespace sd {

/// What a sampler sees of a model.
class Denoiser {
 public:
  virtual ~Denoiser() = default;
  /// The noise ε in x [B,4,h,w] at DDPM timestep t; `step` is the sampler's step this call belongs
  /// to.
  virtual torch::Tensor eps(const torch::Tensor& x, double t, int64_t step) = 0;
};

/// Predicts ε for rows x [R,4,h,w], which stand in the order that its maker knows.
using NoiseModel = std::function<torch::Tensor(const torch::Tensor& x, double t, int64_t step)>;

/// ε of a predicted velocity v at ᾱ = alpha: sqrt(ᾱ) v + sqrt(1−ᾱ) x. Progressive distillation
/// (arXiv:2202.00512, appendix D). In float64 where ᾱ is so small that ε tells of v in its last
/// digits.
torch::Tensor eps_from_velocity(const torch::Tensor& v, const torch::Tensor& x, double alpha);

/// What a model is shown of a prompt, and of a picture where it takes one. Shared by guidance and
/// by whoever lays out rows.
enum class GuidancePass {
  kConcept,        // a concept in place of the prompt
  kPerturbed,      // as kConditional, with self-attention perturbed
  kBlind,          // InstructPix2Pix: the negative prompt, without the picture
  kUnconditional,  // the negative prompt, with the picture if there is one
  kConditional,    // the prompt, likewise
};

/// Proximal guidance (arXiv:2306.05414): of what a row's prompt differs from the unconditional
/// prediction, what is no larger than this quantile λ of the absolute values counts 0; a larger d
/// counts d with the L0 norm, d − sign(d)·λ with the L1 norm.
struct ProximalGuidance {
  double quantile = kDefaultProximal;
  ProximalNorm norm = ProximalNorm::kL0;
};

/// Is told what guidance does to predictions in a step of `num_steps`; measuring it is paid for
/// only where it asks.
class GuidanceWatch {
 public:
  virtual ~GuidanceWatch() = default;
  virtual bool asks_of_concept(std::size_t edit) const = 0;
  /// The share of the pixels of the rows that count which the masks of a concept leave it, and
  /// |Δε| / |ε| of what it adds to their unconditional prediction.
  virtual void concept_added(std::size_t edit, int64_t step, int64_t num_steps, double share,
                             double moved) = 0;
  virtual bool asks_of_proximal() const = 0;
  /// The share of the differences other than 0 that counts 0.
  virtual void differences_dropped(int64_t step, int64_t num_steps, double share) = 0;
};

/// How far predictions are pushed along.
struct Guidance : GuidanceSettings {
  std::optional<double> picture_scale =
      {};  // InstructPix2Pix; nothing for models that take no picture
  /// Of prompts that are drawn together, [parts][B]: how much each part counts in each row, 0 where
  /// a row has fewer. Empty: every row has one prompt.
  std::vector<std::vector<double>> part_weights = {};
  /// Of each of those parts, [B,1,h,w]: its weight is multiplied by it. Empty: 1 everywhere.
  std::vector<torch::Tensor> part_maps = {};
  /// Concepts that rows are pushed towards, none of scale 0; a pass each, the first of all.
  std::vector<ConceptEdit> edits = {};
  /// [B]: how much those count in each row.
  std::vector<double> edited_rows = {};
  /// [B]; empty: `guidance_scale` everywhere.
  std::vector<double> row_scales = {};
  std::optional<ProximalGuidance> proximal = {};
  /// ᾱ at a timestep: what works on clean latents or on velocities asks for it.
  std::function<double(double t)> alpha = {};
  /// The model behind ε predicts velocities: what is not linear in predictions works on those.
  bool velocity = false;
  std::shared_ptr<GuidanceWatch> watch = {};  // null: nobody asks

  /// The passes that are needed, in the order of their rows; a conditional one for each part.
  /// Scales of 1 save those whose predictions would count nothing in any row: with several parts,
  /// where scale and weights multiply to 1.
  std::vector<GuidancePass> passes() const;
  /// What holds outside of the interval: every scale is 1, and nothing is added. Its passes are the
  /// last of these.
  Guidance unguided() const;
  /// The same without concepts: what holds in steps in which none acts. Its passes are the last of
  /// these.
  Guidance without_edits() const;
};

/// What self-attention guidance asks of a model beside predictions.
struct SelfAttentionModel {
  /// ε of other latents for the rows of the first pass that is not perturbed: the unconditional
  /// one, or where there is none the conditional one.
  NoiseModel again = {};
  /// What the middle's self-attention paid to each of its pixels in those rows of the last call,
  /// summed over queries: [B,h,w].
  std::function<torch::Tensor()> attention = {};
};

/// What each concept's attention in the last call was: of the rows of its pass, summed over the
/// concept's tokens, mean over heads and layers. [B,h',w'].
using ConceptAttention = std::function<torch::Tensor(std::size_t edit)>;

/// Classifier-free guidance (arXiv:2207.12598): ε = ε_uncond + scale · (ε_cond − ε_uncond), or with
/// a picture I beside the text T (arXiv:2211.09800, eq. 3): ε = ε(∅,∅) + s_I (ε(I,∅) − ε(∅,∅)) +
/// s_T (ε(I,T) − ε(I,∅)). Of several prompts, Σ w_i (ε_i − ε_uncond) stands for ε_cond − ε_uncond
/// (composable diffusion, arXiv:2206.01714, eq. 11), at scale 1 too. Concepts e add
/// Σ s_e M_e (ε_e − ε_uncond) (concept_guidance.h).
class GuidedDenoiser final : public Denoiser {
 public:
  /// The model is called with B rows for each of guidance.passes(), in steps outside of the
  /// guidance's interval for each of guidance.unguided().passes(). `num_steps` are the run's; only
  /// an interval shorter than the run asks for them. Throws UsageError for an interval that is no
  /// part of a run.
  GuidedDenoiser(NoiseModel model, const Guidance& guidance, int64_t num_steps = 0,
                 SelfAttentionModel self_attention = {}, ConceptAttention concepts = {});

  torch::Tensor eps(const torch::Tensor& x, double t, int64_t step) override;

 private:
  bool guides(int64_t step) const;
  /// What holds in a step.
  const Guidance& guidance_at(int64_t step) const;

  NoiseModel model_;
  Guidance guided_, unedited_, unguided_;
  int64_t num_steps_;
  SelfAttentionModel self_attention_;
  ConceptAttention concepts_;
  torch::Tensor momentum_;  // of projected guidance: the differences so far
};

}  // namespace sd
