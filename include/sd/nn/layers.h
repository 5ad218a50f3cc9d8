#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sd/core/parameter_slot.h"

namespace sd {

class GroupMoments;  // nn/group_norm.h
struct ConvRows;     // nn/conv_rows.h
struct GroupAffine;  // nn/group_norm.h
class PackedLayer;   // nn/pack.h

/// What a layer's sums become before they are stored: f(x Wᵀ + b) + residual.
struct LayerFinish {
  enum class Activation {
    kNone,
    kGelu,
    kQuickGelu,  // x / (1 + e^(−1.702 x)), CLIP's
    kGated,      // a · gelu(b) of the output's halves [a,b] (arXiv:2002.05202)
  };
  Activation activation = Activation::kNone;
  torch::Tensor residual{};  // of the output's shape and dtype; undefined: none
};

/// What may be asked of layers on a CPU beside what they compute.
struct LayerSettings {
  bool int8_weights = false;        // held as whole numbers of 8 bits with a scale for each output
  bool exact_convolutions = false;  // no Winograd
};

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
  /// Makes `value`, in the dtype of its file, the parameter "weight". Values count as rounded to
  /// `held`: float32 or bf16.
  void bind_as(torch::Tensor value, torch::Dtype held);
  /// Reads the parameter "weight" anew for every call and keeps nothing of it.
  void bind_source(std::function<torch::Tensor()> read, torch::Dtype held);
  /// Whether the layer takes those two.
  virtual bool packs() const { return false; }

  /// Before the first call.
  void set(const LayerSettings& settings) { settings_ = settings; }

 protected:
  void declare(const std::string& name, torch::Tensor& member, at::IntArrayRef shape);
  /// The parameter "weight", packed for inputs like x where the CPU's kernels take them; null where
  /// they do not: with gradients, on a GPU, for other dtypes. The first call packs, and frees the
  /// weights as they were: the parameter is then on the meta device. Requests may share a model.
  std::shared_ptr<const PackedLayer> packed_for(const torch::Tensor& x, bool gated = false);
  /// The values of "weight", packed or not.
  torch::Tensor plain_weight() const;
  const LayerSettings& settings() const { return settings_; }

 private:
  Slot* find(const std::string& name);
  /// The weight as it was bound; `packing_` is held.
  torch::Tensor bound_weight() const;
  void put_away_weight();

  std::vector<Slot> slots_;
  LayerSettings settings_;
  mutable std::mutex packing_;
  std::optional<torch::Dtype> held_;     // in which "weight" counts; absent: its own
  std::function<torch::Tensor()> read_;  // null: "weight" is kept
  std::shared_ptr<const PackedLayer> packed_;
};

/// y = x Wᵀ + b over the last dimension. Weights held in another dtype than x are converted for the
/// call.
class LinearImpl : public LayerImpl {
 public:
  LinearImpl(int64_t in_features, int64_t out_features, bool with_bias = true);
  torch::Tensor forward(const torch::Tensor& x,
                        const LayerFinish& finish = {});  // [...,in] → [...,out]
  bool packs() const override { return true; }

  torch::Tensor weight, bias;

 private:
  torch::Tensor product(const torch::Tensor& x, const LayerFinish& finish);

  friend torch::Tensor joined_linear(const torch::Tensor& x,
                                     std::initializer_list<LinearImpl*> layers);
};
TORCH_MODULE(Linear);

/// What several layers, all with a bias or all without, make of one x, side by side: [...,in] →
/// [...,Σ out]. On a CPU
/// they are one pass over x; in half precision on a GPU they are one product, for which their
/// weights come to lie in one tensor.
torch::Tensor joined_linear(const torch::Tensor& x, std::initializer_list<LinearImpl*> layers);

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  bool with_bias = true;
  int64_t padding_before =
      -1;  // above and to the left; −1: as `padding`, which is below and to the right
};

class GroupNormImpl;

/// What stands before and behind a convolution and costs no pass of its own on a CPU.
struct ConvExtras {
  const GroupNormImpl* norm = nullptr;  // x is normed, then SiLU
  bool upsampled = false;               // x is doubled in height and width, pixel by pixel, before
  torch::Tensor offset{};               // [N,out], added to each picture's channels
  torch::Tensor residual{};             // of the output's shape, added last
  bool in_residual = false;             // without gradients, the output takes the residual's memory
};

/// Square 2-D convolution over [N,C,H,W].
class Conv2dImpl : public LayerImpl {
 public:
  Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel, int64_t stride = 1,
             int64_t padding = 0);
  Conv2dImpl(int64_t in_channels, int64_t out_channels, int64_t kernel,
             const Conv2dOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const ConvExtras& extras = {});
  /// Whether forward_rows takes maps like x: one picture's, for this CPU's own kernels.
  bool makes_rows(const torch::Tensor& x) const;
  /// Some rows of what forward makes of a picture [1,C,H,W], from the rows of it that they depend
  /// on.
  void forward_rows(const ConvRows& rows);
  bool packs() const override { return true; }

  torch::Tensor weight, bias;

 private:
  torch::Tensor packed_forward(const PackedLayer& packed, const torch::Tensor& x,
                               const ConvExtras& extras) const;
  torch::Tensor forward_on_gpu(const torch::Tensor& x, const ConvExtras& extras) const;
  torch::Tensor convolved(const torch::Tensor& x, const ConvExtras& extras);
  torch::Tensor forward_with_additions(const torch::Tensor& x, const ConvExtras& extras);

  int64_t kernel_;
  Conv2dOptions options_;
};
TORCH_MODULE(Conv2d);

class GroupNormImpl : public LayerImpl {
 public:
  GroupNormImpl(int64_t groups, int64_t channels, double eps);
  torch::Tensor forward(const torch::Tensor& x) const;  // [N,C,...] → same
  /// SiLU(forward(x)) in one pass over memory.
  torch::Tensor forward_silu(const torch::Tensor& x) const;
  /// What makes normed values of maps x on a CPU without gradients, for whoever applies it while
  /// reading x.
  GroupAffine affine(const torch::Tensor& x) const;
  /// The same from the moments of all of x's rows.
  GroupAffine affine(const GroupMoments& moments) const;

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
