#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// A change of cross-attention that multiplies each pixel's probabilities by matrices over tokens:
/// row t's become Σ_s P_s M_ts, in every layer and head alike. Their product with the values is
/// Σ_s P_s (M_ts v_t). So fused kernels compute it with values that were changed once, and no
/// probabilities are ever held.
struct ColumnEdit {
  /// Beside each row's own, which rows' probabilities a row is given.
  struct Share {
    int64_t target = 0, source = 0;
    bool operator==(const Share&) const = default;
  };
  std::vector<Share> shares = {};
  torch::Tensor matrices = {};  // [R + shares,K,K] float32: of each row's own, then of the shares

  /// Rows x [R,...], then for each share its source's.
  torch::Tensor with_sources(const torch::Tensor& x) const;
  /// Values v [R,K,D], multiplied, of each row and then of each share: [R + shares,K,D].
  torch::Tensor multiplied(const torch::Tensor& v) const;
  /// What attention made of those, [R + shares,Q,D], added up: [R,Q,D]. Changes x.
  torch::Tensor added_up(torch::Tensor x) const;

  bool operator==(const ColumnEdit& other) const;
};

/// What a controller whose use of a step is kColumns does in it, to `rows` with K tokens; on a CPU.
ColumnEdit column_edit_of(AttentionController& controller, const StepInfo& step,
                          const std::vector<RowGroup>& rows, int64_t tokens);

/// Whether a controller is shown probabilities in order to find such a change, which are none of a
/// picture's.
bool is_basis(const torch::Tensor& probs, const AttentionCall& call);

}  // namespace sd
