#include "sd/models/clip_text.h"

#include <ATen/ops/arange.h>

#include <string>

#include "sd/nn/attention.h"

namespace sd {

/// One pre-norm layer: x + attention(norm(x)), then x + mlp(norm(x)).
class ClipLayerImpl : public torch::nn::Module {
 public:
  explicit ClipLayerImpl(const TextConfig& config)
      : heads_(config.heads), activation_(config.activation) {
    const int64_t width = config.width;
    auto attention = register_module("self_attn", Group());
    k_proj_ = attention->put("k_proj", Linear(width, width));
    v_proj_ = attention->put("v_proj", Linear(width, width));
    q_proj_ = attention->put("q_proj", Linear(width, width));
    out_proj_ = attention->put("out_proj", Linear(width, width));
    norm1_ = register_module("layer_norm1", LayerNorm(width));
    auto mlp = register_module("mlp", Group());
    fc1_ = mlp->put("fc1", Linear(width, config.feed_forward));
    fc2_ = mlp->put("fc2", Linear(config.feed_forward, width));
    norm2_ = register_module("layer_norm2", LayerNorm(width));
  }

  torch::Tensor forward(torch::Tensor x) {
    const auto h = norm1_->forward(x);
    const auto all = joined_linear(h, {q_proj_.get(), k_proj_.get(), v_proj_.get()}).chunk(3, -1);
    const auto mixed = attention_of_projections(all[0], all[1], all[2], heads_, /*causal=*/true);
    x = out_proj_->forward(mixed, {.residual = x});
    using Activation = LayerFinish::Activation;
    const auto inner = fc1_->forward(
        norm2_->forward(x), {.activation = activation_ == TextActivation::kGelu
                                               ? Activation::kGelu
                                               : Activation::kQuickGelu});  // [N,T,feed_forward]
    return fc2_->forward(inner, {.residual = x});
  }

 private:
  int64_t heads_;
  TextActivation activation_;
  Linear k_proj_{nullptr}, v_proj_{nullptr}, q_proj_{nullptr}, out_proj_{nullptr};
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  Linear fc1_{nullptr}, fc2_{nullptr};
};

ClipTextImpl::ClipTextImpl(const TextConfig& config) : config_(config) {
  auto embeddings = register_module("embeddings", Group());
  token_embedding_ = embeddings->put("token_embedding", Embedding(config.vocabulary, config.width));
  position_embedding_ =
      embeddings->put("position_embedding", Embedding(config.positions, config.width));
  auto list = register_module("encoder", Group())->put("layers", Group());
  for (int64_t i = 0; i < config.layers; ++i) {
    auto layer = std::make_shared<ClipLayerImpl>(config);
    list->register_module(std::to_string(i), layer);
    layers_.push_back(std::move(layer));
  }
  final_norm_ = register_module("final_layer_norm", LayerNorm(config.width));
}

torch::Tensor ClipTextImpl::forward(const torch::Tensor& ids, torch::Dtype dtype,
                                    int64_t layers_skipped, const AddedVectors& added) {
  require_ids(ids, config_.positions);
  const auto layers = layers_to_run(config_.layers, layers_skipped);
  const auto positions = at::arange(ids.size(1), ids.options());
  torch::Tensor x = token_vectors(*token_embedding_, ids, dtype, added) +
                    position_embedding_->forward(positions).to(dtype);
  for (std::size_t i = 0; i < layers; ++i) x = layers_[i]->forward(x);
  return final_norm_->forward(x);
}

}  // namespace sd
