// Several linear layers over one x.
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "nn/gpu.h"
#include "nn/layer_additions.h"
#include "nn/layer_profile.h"
#include "nn/pack.h"
#include "sd/nn/layers.h"

namespace sd {
namespace {

/// Their weights one behind the other, in whose memory the layers' own come to lie.
torch::Tensor joined_weight(std::initializer_list<LinearImpl*> layers) {
  static std::mutex joining;
  const std::lock_guard lock(joining);
  const auto& first = (*layers.begin())->weight;
  int64_t outputs = 0;
  bool together = true;  // one behind the other in one tensor's memory
  std::vector<torch::Tensor> weights;
  for (const auto* layer : layers) {
    const auto& weight = layer->weight;
    together = together && weight.is_contiguous() && weight.is_alias_of(first) &&
               weight.storage_offset() == first.storage_offset() + outputs * first.size(1);
    outputs += weight.size(0);
    weights.push_back(weight);
  }
  if (together) return first.as_strided({outputs, first.size(1)}, {first.size(1), 1});
  const auto joined = at::cat(weights);
  int64_t begin = 0;
  for (auto* layer : layers) {
    const int64_t count = layer->weight.size(0);
    layer->bind("weight", joined.narrow(0, begin, count));
    begin += count;
  }
  return joined;
}

/// Undefined where they have none; all have one or none has.
torch::Tensor joined_bias(std::initializer_list<LinearImpl*> layers) {
  std::vector<torch::Tensor> biases;
  for (const auto* layer : layers) {
    if (layer->bias.defined()) biases.push_back(layer->bias);
  }
  return biases.empty() ? torch::Tensor() : at::cat(biases);
}

}  // namespace

torch::Tensor joined_linear(const torch::Tensor& x, std::initializer_list<LinearImpl*> layers) {
  if (std::ranges::any_of(layers, AddingToLayers::concerns)) {
    std::vector<torch::Tensor> own;
    for (auto* layer : layers) own.push_back(layer->forward(x));
    return at::cat(own, -1);
  }
  if (gpu::takes_half(x)) {
    const auto bias = joined_bias(layers);
    return at::linear(x, joined_weight(layers).to(x.scalar_type()),
                      bias.defined() ? bias.to(x.scalar_type()) : bias);
  }
  std::vector<std::shared_ptr<const PackedLayer>> packed;
  std::vector<torch::Tensor> outputs;
  for (auto* layer : layers) {
    packed.push_back(layer->packed_for(x));
    if (packed.back() == nullptr) outputs.push_back(layer->forward(x));
  }
  if (!outputs.empty()) return at::cat(outputs, -1);
  const TimedLayer timed(**layers.begin(), "joined_linear", x, [&] {
    double flops = 0;
    for (const auto* layer : layers) flops += product_flops(x.numel(), layer->weight);
    return flops;
  });
  return PackedLayer::linear_together(x, packed);
}

}  // namespace sd
