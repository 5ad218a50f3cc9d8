#pragma once

#include <torch/types.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "sd/core/guide_steps.h"
#include "sd/pipeline/latent_guide.h"

namespace sd {

/// When and how far latents are moved, as Attend-and-Excite published it.
struct RefiningOptions {
  int64_t chunk = 77;        // positions of a chunk, whose first and last are no tokens
  int64_t downsampling = 4;  // of the layers that are looked at
  /// Step size before step i of S: scale · sqrt(1 − (1 − last_share) i / (S − 1)).
  double scale = 20;
  double last_share = 0.5;
  double until = kRefiningUntil;  // part of the steps after which latents are left alone
  /// Before step int(part · S) latents are moved until each word has so much attention, at most
  /// `rounds` times.
  std::vector<std::pair<double, double>> thresholds = {{0, 0.05}, {0.2, 0.5}, {0.4, 0.8}};
  int64_t rounds = 20;
  double sharpness = 100;  // what probabilities are multiplied by before their softmax
};

/// Moves latents down the slope of a loss of what words are paid, once before each step, and before
/// a few steps in rounds until enough is paid (Chefer et al., arXiv:2301.13826, algorithm 1).
class RefiningGuide : public LatentGuide {
 public:
  bool acts(const StepInfo& step) const override;
  torch::Tensor guide(const torch::Tensor& x, const GuidePlace& place,
                      DifferentiableUNet& unet) override;
  GuideCounts counts() const override { return counts_; }

 protected:
  /// Throws UsageError for options that are out of range.
  explicit RefiningGuide(RefiningOptions options);

  struct Loss {
    torch::Tensor moving;    // what latents are moved by
    double falls_short = 0;  // 1 − the share that thresholds are of
  };
  /// Of one row, given maps of the layers that are looked at.
  virtual Loss loss(const std::vector<CrossMap>& maps, int64_t row) const = 0;
  /// Whether there is anything to ask for.
  virtual bool guides_row(int64_t row) const = 0;

  const RefiningOptions& options() const { return options_; }

 private:
  struct Seen {
    torch::Tensor x;  // asks for a gradient
    Loss loss;
  };
  Seen look(const torch::Tensor& x, int64_t row, DifferentiableUNet& unet);
  torch::Tensor moved(const Seen& seen, const StepInfo& step) const;

  RefiningOptions options_;
  GuideCounts counts_;
};

/// Shares of words in a row's attention, [words,h,w]: of the mean over layers and heads of maps,
/// each [1,heads,Q,K] over the same pixels, a softmax over tokens; those of a word's tokens add up;
/// then a Gaussian of 3×3 with σ 0.5, as the published code computes it (exp(−(d/2σ)²)).
torch::Tensor word_shares(const std::vector<CrossMap>& maps,
                          const std::vector<std::vector<int64_t>>& words,
                          const RefiningOptions& options);

}  // namespace sd
