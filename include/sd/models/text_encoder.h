#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>

#include "sd/core/model_config.h"
#include "sd/nn/layers.h"

namespace sd {

/// Vectors of ids that an encoder has not learnt itself: those of embeddings.
struct AddedVectors {
  torch::Tensor rows;    // [n,width]; undefined: none
  int64_t first_id = 0;  // of rows[0]
};

/// What turns a prompt's ids into the context that the UNet's cross-attention looks at.
class TextEncoderImpl : public torch::nn::Module {
 public:
  /// ids int64 [N,T], T at most `positions` → context [N,T,width], computed in `dtype`. Throws
  /// UsageError if T is too large.
  /// `layers_skipped` of the last layers are left out before the final norm ("clip skip" − 1);
  /// UsageError if that leaves none. Ids from `added.first_id` on are those of its rows.
  virtual torch::Tensor forward(const torch::Tensor& ids, torch::Dtype dtype = torch::kFloat,
                                int64_t layers_skipped = 0, const AddedVectors& added = {}) = 0;
};

/// How many of `layers` run when the last `skipped` are left out; UsageError if none.
std::size_t layers_to_run(int64_t layers, int64_t skipped);

/// The vectors of ids [N,T] in `dtype`, [N,T,width], of the encoder's own table and of `added`.
torch::Tensor token_vectors(EmbeddingImpl& table, const torch::Tensor& ids, torch::Dtype dtype,
                            const AddedVectors& added);

/// Throws UsageError unless ids are [N,T] with T at most `positions`.
void require_ids(const torch::Tensor& ids, int64_t positions);

}  // namespace sd
