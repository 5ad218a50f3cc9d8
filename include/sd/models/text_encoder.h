#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>

#include "sd/core/model_config.h"

namespace sd {

/// What turns a prompt's ids into the context that the UNet's cross-attention looks at.
class TextEncoderImpl : public torch::nn::Module {
 public:
  /// ids int64 [N,T], T at most `positions` → context [N,T,width], computed in `dtype`. Throws
  /// UsageError if T is too large.
  virtual torch::Tensor forward(const torch::Tensor& ids, torch::Dtype dtype = torch::kFloat) = 0;
};

/// Throws UsageError unless ids are [N,T] with T at most `positions`.
void require_ids(const torch::Tensor& ids, int64_t positions);

}  // namespace sd
