#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "sd/core/parameter_slot.h"

namespace sd {

/// A layer that owns parameters. LibTorch's own layers fill theirs with random numbers when built,
/// which takes seconds for a UNet; these start on the meta device without memory until `bind` gives
/// them a tensor.
class LayerImpl : public torch::nn::Module {
 public:
  /// Names and expected shapes of the parameters.
  struct Slot {
    std::string name;
    torch::Tensor* tensor;
  };
  const std::vector<Slot>& slots() const { return slots_; }

  /// Makes `value` the parameter `name`; shape must equal the declared one (checked), dtype and
  /// device are free.
  void bind(const std::string& name, torch::Tensor value);

 protected:
  void declare(const std::string& name, torch::Tensor& member, at::IntArrayRef shape);

 private:
  std::vector<Slot> slots_;
};

/// y = x Wᵀ + b over the last dimension. Weights held in another dtype than x are converted for the
/// call.
class LinearImpl : public LayerImpl {
 public:
  LinearImpl(int64_t in_features, int64_t out_features, bool with_bias = true);
  torch::Tensor forward(const torch::Tensor& x) const;  // [..., in] → [..., out]

  torch::Tensor weight, bias;
};
TORCH_MODULE(Linear);

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  bool with_bias = true;
};

/// Square 2-D convolution over [N,C,H,W].
class Conv2dImpl : public LayerImpl {
 public:
  Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride = 1,
             int64_t padding = 0);
  Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel,
             const Conv2dOptions& options);
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor weight, bias;

 private:
  torch::Tensor kernel_for(const torch::Tensor& x);

  int64_t stride_, padding_;
  bool pointwise_;
  // For inference on a CPU the weight is kept as oneDNN wants it for the input size at hand;
  // another size repacks it. The lock lets requests share a model.
  std::mutex packing_;
  std::vector<int64_t> packed_size_;  // empty: not packed
};
TORCH_MODULE(Conv2d);

class GroupNormImpl : public LayerImpl {
 public:
  GroupNormImpl(int64_t groups, int64_t channels, double eps);
  torch::Tensor forward(const torch::Tensor& x) const;  // [N,C,...] → same
  /// SiLU(forward(x)) in one pass over memory.
  torch::Tensor forward_silu(const torch::Tensor& x) const;
  /// The same of x + offset, offset [N,C], which is added without rounding the sum to x's dtype.
  torch::Tensor forward_silu(const torch::Tensor& x, const torch::Tensor& offset) const;

  torch::Tensor weight, bias;

 private:
  int64_t groups_;
  double eps_;
};
TORCH_MODULE(GroupNorm);

class LayerNormImpl : public LayerImpl {
 public:
  explicit LayerNormImpl(int64_t width, double eps = 1e-5);
  torch::Tensor forward(const torch::Tensor& x) const;  // [...,width] → same

  torch::Tensor weight, bias;

 private:
  int64_t width_;
  double eps_;
};
TORCH_MODULE(LayerNorm);

class EmbeddingImpl : public LayerImpl {
 public:
  EmbeddingImpl(int64_t rows, int64_t width);
  torch::Tensor forward(
      const torch::Tensor& ids) const;  // int64 [...] → [...,width] in the weight's dtype

  torch::Tensor weight;
};
TORCH_MODULE(Embedding);

/// Children under the numbered names that Python's Sequential gives ("in_layers.0", "in_layers.2").
class GroupImpl : public torch::nn::Module {
 public:
  template <typename Holder>
  Holder put(const std::string& name, Holder child) {
    return register_module(name, std::move(child));
  }
};
TORCH_MODULE(Group);

/// Every parameter below `root`, layer by layer in registration order, waiting for its tensor. The
/// slots point into `root`.
std::vector<ParameterSlot> parameter_slots(torch::nn::Module& root);

}  // namespace sd
