#pragma once

#include <torch/types.h>

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

namespace sd {

class LayerImpl;  // sd/nn/layers.h

/// What is computed beside one layer's product and added to it: scale · up(mid(down(x))), or
/// scale · Δ(x), and scale · Δb. Of a convolution the first of them has its stride and padding
/// (Tucker's `mid`, where there is one).
struct LayerAddition {
  std::size_t source = 0;  // whose weights of rows count
  double scale = 1;
  torch::Tensor down, mid, up;  // without `up`, `down` is Δ itself
  torch::Tensor bias{};         // [out]; undefined: none
};

/// Additions to the layers of a model, whose weights stay as they are: a LoRA that only some rows
/// of a batch have, or some steps (arXiv:2106.09685, eq. 3).
using LayerAdditions = std::unordered_map<const LayerImpl*, std::vector<LayerAddition>>;

/// While one lives, the layers that this thread calls make their additions. They are lent.
class AddingToLayers {
 public:
  /// `weights` of each source: of each row of the batch, or one of all rows.
  AddingToLayers(const LayerAdditions& additions, std::vector<std::vector<double>> weights);
  ~AddingToLayers();
  AddingToLayers(const AddingToLayers&) = delete;
  AddingToLayers& operator=(const AddingToLayers&) = delete;

  /// Whether `layer` has additions now.
  static bool concerns(const LayerImpl* layer) {
    return active_ != nullptr && active_->additions_.contains(layer);
  }
  /// Adds what `layer`, a linear one, is to add for x [R,…,in] to sums [R,…,out].
  static torch::Tensor add_to_linear(const LayerImpl* layer, const torch::Tensor& x,
                                     torch::Tensor sums);
  /// The same of a convolution: x [R,in,h,w].
  static torch::Tensor add_to_convolution(const LayerImpl* layer, const torch::Tensor& x,
                                          torch::Tensor sums, int64_t stride, int64_t padding);

 private:
  /// What the addition is multiplied by, shaped for tensors like x; nothing where that is 0.
  torch::Tensor factor_of(const LayerAddition& addition, const torch::Tensor& x) const;

  static thread_local const AddingToLayers* active_;
  const LayerAdditions& additions_;
  std::vector<std::vector<double>> weights_;
  const AddingToLayers* before_;
};

}  // namespace sd
