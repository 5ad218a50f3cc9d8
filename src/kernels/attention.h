#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/attention_keys.h"

namespace sd::kernels {

/// What a call shows of its probabilities beside its output, which stays the same to the last bit.
/// They are float32 whatever q and k are. Any of the three may be asked for.
struct AttentionWatch {
  /// Rows of the batch, in the order in which they stand in what is written.
  std::vector<int64_t> rows;
  /// Heads, in the order in which they stand in `probabilities` and `column_sums`.
  std::vector<int64_t> heads;
  float* probabilities = nullptr;  // [rows][heads][queries][keys]
  float* head_mean = nullptr;      // [rows][queries][keys]: their mean over `heads`
  float* column_sums = nullptr;    // [rows][heads][keys]: their sums over all queries
};

/// softmax(q kᵀ · scale) v for each row and head, or `given` v. Sums and softmax are in float32.
/// A row of logits with a NaN or +∞, or with nothing but −∞, gives NaN, as softmax is defined.
struct AttentionCall {
  const PackedKeys* keys;  // packed; what they are, float32 or bf16, q and out are too
  int64_t rows, queries;
  TokensView q;                              // not read where probabilities are given
  const float* given = nullptr;              // probabilities [rows][heads][queries][keys]
  void* out = nullptr;                       // as q; null: only `watch` is wanted
  int64_t out_row_stride, out_token_stride;  // in elements
  float scale;                               // above 0
  bool causal = false;                       // query i sees keys 0 to i
  /// The packed row whose keys and values each row reads; null: row r reads r.
  const int64_t* key_rows = nullptr;
  AttentionWatch watch;  // nothing is shown of `given`
};

/// A call cut into tasks that any threads may run in any order, when the keys are packed. What a
/// query gets does not depend on other queries, on other rows or on threads.
class AttentionPlan {
 public:
  explicit AttentionPlan(AttentionCall call);
  int64_t tasks() const;
  void run(int64_t task) const;

 private:
  AttentionCall call_;
};

}  // namespace sd::kernels
