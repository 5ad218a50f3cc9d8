#pragma once

#include <torch/types.h>

#include <vector>

#include "kernels/attention.h"

namespace sd {

/// Whether this CPU's own kernels compute attention over q: inference in float32 or bf16.
bool can_attend(const torch::Tensor& q);

/// Keys and values of a call, in the order in which the kernels read them, and the memory that
/// holds them.
struct HeldKeys {
  kernels::PackedKeys keys;
  torch::Tensor memory;
};

/// Packs k and v [R,K,heads·d], slices of wider rows too, for `heads` heads. An undefined v (of
/// probabilities alone) is left out.
HeldKeys hold_keys(const torch::Tensor& k, const torch::Tensor& v, int64_t heads);

/// softmax(q kᵀ / √d) v for q [R,Q,heads·d] → the same shape. Vaswani et al., arXiv:1706.03762,
/// eq. 1. `watched` rows' probabilities are written to `probs` [watched,heads,Q,K] float32 on the
/// way.
torch::Tensor attend(const torch::Tensor& q, const HeldKeys& held, bool causal = false,
                     const std::vector<int64_t>& watched = {}, const torch::Tensor& probs = {});
/// The same where row i of q looks at the keys and values of row key_rows[i].
torch::Tensor attend(const torch::Tensor& q, const HeldKeys& held,
                     const std::vector<int64_t>& key_rows);
/// The probabilities alone: [R,heads,Q,K] float32.
torch::Tensor probabilities(const torch::Tensor& q, const HeldKeys& held);
/// Given probabilities times v: [R,heads,Q,K] → [R,Q,heads·d] of dtype `dtype`.
torch::Tensor weigh_values(const torch::Tensor& probs, const HeldKeys& held, torch::Dtype dtype);

}  // namespace sd
