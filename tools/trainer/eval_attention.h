#pragma once

#include <cstdint>

#include "sd/nn/attention_controller.h"
#include "trainer/eval_context.h"

namespace sd::train {

/// Sums cross-attention over heads, layers at full and half latent size, and UNet calls.
class WordMapSums final : public AttentionController {
 public:
  /// Latents have `side` x `side` pixels.
  explicit WordMapSums(int64_t side) : side_(side) {}

  AttentionUse use(const AttentionCall& call) const override;
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override;

  /// Mean over all that was seen [N,K,side,side], the half size upsampled bicubically.
  torch::Tensor mean() const;

 private:
  int64_t side_, layers_ = 0;
  torch::Tensor full_, half_;  // [N,Q,K]
};

/// Mean area-matched IoU of words' maps with their objects' masks.
struct WordIou {
  int64_t words = 0;
  double map = 0;
  double disc = 0;  // of a centred disc, the baseline
};

struct AttentionScores {
  int64_t scenes = 0;
  WordIou objects, tints;            // scenes with one object
  WordIou pair_objects, pair_tints;  // with two
  WordIou all_objects, all_tints;
};

/// Composes `n` scenes of prompts that training never saw as a whole, encodes them, adds noise of 8
/// timesteps from 100 to 900, and compares where the model looks for each word with where the
/// word's object is, at the picture's resolution.
AttentionScores measure_attention(const EvalContext& context, int64_t n);

}  // namespace sd::train
