#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/packed_weights.h"
#include "nn/group_norm.h"
#include "sd/nn/layers.h"

namespace sd {

/// Whether this CPU's own kernels compute a layer with this weight for inputs like x: inference in
/// float32 or bf16.
bool can_pack(const torch::Tensor& weight, const torch::Tensor& x);

/// The weights of a layer as this CPU's kernels read them.
class PackedLayer {
 public:
  /// What weights are packed for.
  struct Kind {
    torch::Dtype input;  // of what they are multiplied with
    torch::Dtype held;   // what they count as: float32 or bf16
    bool gated;          // the output's halves will be a · gelu(b)
    bool int8;           // rounded to whole numbers of 8 bits
    bool operator==(const Kind&) const = default;
  };
  /// Packs `weight` [out,in] or [out,in,k,k] of any floating type; bias [out] may be undefined.
  PackedLayer(const torch::Tensor& weight, const torch::Tensor& bias, const Kind& kind);

  bool is(const Kind& kind) const { return kind == kind_; }
  /// f(x Wᵀ + b) + residual for the last dimension of x: [...,in] → [...,out].
  torch::Tensor linear(const torch::Tensor& x, const LayerFinish& finish) const;
  /// What each of `layers`, of the same inputs and without gates, makes of x, side by side:
  /// [...,in] → [...,Σ out].
  static torch::Tensor linear_together(
      const torch::Tensor& x, const std::vector<std::shared_ptr<const PackedLayer>>& layers);
  struct Convolution {
    int64_t kernel, stride, padding_before, padding_behind;
    bool exact;  // no Winograd
  };
  /// Of the output, a band of rows alone; as kernels::ConvCall means it.
  struct Cut {
    int64_t above = 0, below = 0;
  };
  /// The convolution of maps x [N,in,h,w], channels-last in and out. `affine`, where it is defined,
  /// and SiLU are applied to x as it is read, in place of extras.norm. What comes out is written to
  /// `out` where that is defined: channels-last, of the output's shape, the residual at most.
  torch::Tensor convolve(const torch::Tensor& x, const Convolution& how, const GroupAffine& affine,
                         const ConvExtras& extras, const Cut& cut, torch::Tensor out = {}) const;
  /// The weight as it came, in the dtype that it counts as; of 8 bits what is left of it.
  torch::Tensor plain_weight() const;

  const kernels::PackedWeights& weights() const { return weights_; }

 private:
  /// The product of rows of x [rows,in], written to `out` with rows `out_stride` elements apart.
  kernels::GemmPlan plan_of(const torch::Tensor& rows, const LayerFinish& finish, void* out,
                            int64_t out_stride) const;
  int64_t outputs() const { return weights_.gated() ? weights_.columns() / 2 : weights_.columns(); }
  /// The bias of each image, [N,out] or [1,out]; undefined without any.
  torch::Tensor image_bias(const torch::Tensor& offset) const;

  std::vector<int64_t> shape_;
  Kind kind_;
  kernels::PackedWeights weights_;
  torch::Tensor bias_;               // [out] float32; may be undefined
  std::vector<float> ordered_bias_;  // in the order of packed columns
};

}  // namespace sd
