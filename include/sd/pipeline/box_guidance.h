#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "sd/control/scope.h"
#include "sd/core/guide_steps.h"
#include "sd/pipeline/latent_guide.h"
#include "sd/text/guide_words.h"

namespace sd {

/// A word's tokens and the boxes in which what it names is to be.
struct BoxedWord {
  std::vector<int64_t> positions;
  std::vector<ShareBox> boxes;
};

/// Throws UsageError for a word without tokens or boxes, and for a box that is none.
void check_boxed_words(const std::vector<BoxedWord>& words);

struct BoxGuidanceOptions {
  /// For all rows or for each; a row without words is left alone.
  PerRow<std::vector<BoxedWord>> words;
  /// Of the layers that are looked at: those of the way up at `downsampling`, and the middle where
  /// it has `least_side` pixels a side.
  int64_t downsampling = 4;
  int64_t least_side = kBoxGuidanceLeastSide;
  double scale = 30;                      // η; latents are moved by (1 − ᾱ) η ∇E
  double until = kBoxGuidanceUntil;       // part of the steps after which latents are left alone
  int64_t rounds = 5;                     // evaluations before a step, at most
  double threshold = kBoxGuidanceEnough;  // energy that is low enough
};

/// Layout guidance by the way back (Chen et al., arXiv:2304.03373, eq. 1 and 2): the energy of a
/// word in a head is (1 − what it is paid inside of its boxes / what it is paid)², E the mean over
/// heads, tokens, words and layers. The published step σ² η ∇E of latents that speak of σ is
/// (1 − ᾱ) η ∇E of the UNet's.
class BoxGuidance final : public LatentGuide {
 public:
  /// Throws UsageError for options that are out of range.
  explicit BoxGuidance(BoxGuidanceOptions options);

  bool acts(const StepInfo& step) const override;
  torch::Tensor guide(const torch::Tensor& x, const GuidePlace& place,
                      DifferentiableUNet& unet) override;
  GuideCounts counts() const override { return counts_; }

 private:
  BoxGuidanceOptions options_;
  GuideCounts counts_;
};

/// The energy of a row: of maps of layers, each [1,heads,Q,K].
torch::Tensor box_energy(const std::vector<CrossMap>& maps, const std::vector<BoxedWord>& words);

}  // namespace sd
