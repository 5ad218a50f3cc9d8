#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/nn/shared_attention.h"

namespace sd {

/// A layer's projections of all rows and what its rows look at.
struct SharedProjections {
  torch::Tensor q = {}, k = {}, v = {};  // [R,T,heads·d]
  const KeyNotes::Layer* noted = nullptr;
  int64_t heads = 1;
};

/// softmax(q kᵀ / √d) v of each row over the keys that `shared` says, [R,T,heads·d]; rows that it
/// does not name look at themselves. Probabilities are made only where a row's contrast changes or
/// `controller` asks for them: [R,heads,T,K], where a row has fewer than K keys the last are 0.
/// Throws UsageError for noted keys where none were noted.
torch::Tensor attention_of_rows(const SharedProjections& projections,
                                const std::vector<SharedRow>& shared,
                                AttentionController* controller, const AttentionCall& call);

/// |y' − y| / |y| over the rows that `shared` names: what they find by it, and what in themselves
/// alone; without a controller. `found` is y' where that is known, else undefined.
double moved_by_sharing(const SharedProjections& projections, const std::vector<SharedRow>& shared,
                        const torch::Tensor& found);

}  // namespace sd
