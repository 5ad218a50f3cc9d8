#pragma once

#include <torch/types.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "sd/control/scope.h"
#include "sd/pipeline/latent_guide.h"

namespace sd {

struct AttendAndExciteOptions {
  /// Positions of each word's tokens, for all rows or for each; a row without words is left alone.
  PerRow<std::vector<std::vector<int64_t>>> words;
  int64_t chunk = 77;        // positions of a chunk, whose first and last are no tokens
  int64_t downsampling = 4;  // of the layers that are looked at
  /// Step size before step i of S: scale · sqrt(1 − (1 − last_share) i / (S − 1)).
  double scale = 20;
  double last_share = 0.5;
  double until = 0.5;  // part of the steps after which latents are left alone
  /// Before step int(part · S) latents are moved until each word has so much attention somewhere,
  /// at most `rounds` times.
  std::vector<std::pair<double, double>> thresholds = {{0, 0.05}, {0.2, 0.5}, {0.4, 0.8}};
  int64_t rounds = 20;
  double sharpness = 100;  // what probabilities are multiplied by before their softmax
};

/// Attend-and-Excite (Chefer et al., arXiv:2301.13826, algorithm 1): the latents are moved so that
/// every word is looked at somewhere. Of the maps, mean over layers and heads, a softmax over
/// tokens makes shares; the loss of a word is 1 − its largest share after a Gaussian of 3×3 with
/// σ 0.5 (as the published code computes it, exp(−(d/2σ)²)), that of the row its largest one. The
/// shares of a word's tokens add up.
class AttendAndExcite final : public LatentGuide {
 public:
  /// Throws UsageError for options that are out of range.
  explicit AttendAndExcite(AttendAndExciteOptions options);

  bool acts(const StepInfo& step) const override;
  torch::Tensor guide(const torch::Tensor& x, const GuidePlace& place,
                      DifferentiableUNet& unet) override;
  GuideCounts counts() const override { return counts_; }

 private:
  struct Seen {
    torch::Tensor x, loss;  // x asks for a gradient
    double value = 0;
  };
  Seen look(const torch::Tensor& x, const std::vector<std::vector<int64_t>>& words,
            DifferentiableUNet& unet);
  torch::Tensor moved(const Seen& seen, const StepInfo& step) const;

  AttendAndExciteOptions options_;
  GuideCounts counts_;
};

/// The loss of a row: of maps of layers, each [1,heads,Q,K] over the same pixels.
torch::Tensor attend_and_excite_loss(const std::vector<CrossMap>& maps,
                                     const std::vector<std::vector<int64_t>>& words,
                                     const AttendAndExciteOptions& options);

}  // namespace sd
