#include "sd/models/bert_text.h"

#include <ATen/ops/arange.h>

#include <string>

#include "sd/nn/attention.h"

namespace sd {

/// One pre-norm layer: x + attention(norm(x)), then x + mlp(norm(x)). The checkpoint counts the
/// halves as layers: attention is layers.2i, the feed-forward layers.2i+1, each a norm "0" and a
/// block "1".
class BertLayer {
 public:
  BertLayer(Group& list, const TextConfig& config, int64_t index) : heads_(config.heads) {
    const int64_t width = config.width, inner = config.heads * config.head_width;
    auto attention = list->put(std::to_string(2 * index), Group());
    norm1_ = attention->put("0", LayerNorm(width));
    auto mixing = attention->put("1", Group());
    to_q_ = mixing->put("to_q", Linear(width, inner, /*with_bias=*/false));
    to_k_ = mixing->put("to_k", Linear(width, inner, /*with_bias=*/false));
    to_v_ = mixing->put("to_v", Linear(width, inner, /*with_bias=*/false));
    to_out_ = mixing->put("to_out", Linear(inner, width));
    auto feed_forward = list->put(std::to_string(2 * index + 1), Group());
    norm2_ = feed_forward->put("0", LayerNorm(width));
    auto net = feed_forward->put("1", Group())->put("net", Group());
    widen_ = net->put("0", Group())->put("0", Linear(width, config.feed_forward));
    narrow_ = net->put("2", Linear(config.feed_forward, width));
  }

  torch::Tensor forward(torch::Tensor x) {
    const auto h = norm1_->forward(x);
    const auto all = joined_linear(h, {to_q_.get(), to_k_.get(), to_v_.get()}).chunk(3, -1);
    const auto mixed = attention_of_projections(all[0], all[1], all[2], heads_);
    x = to_out_->forward(mixed, {.residual = x});
    const auto inner =
        widen_->forward(norm2_->forward(x), {.activation = LayerFinish::Activation::kGelu});
    return narrow_->forward(inner, {.residual = x});
  }

 private:
  int64_t heads_;
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  Linear to_q_{nullptr}, to_k_{nullptr}, to_v_{nullptr}, to_out_{nullptr};
  Linear widen_{nullptr}, narrow_{nullptr};
};

BertTextImpl::BertTextImpl(const TextConfig& config) : config_(config) {
  token_embedding_ = register_module("token_emb", Embedding(config.vocabulary, config.width));
  position_embedding_ =
      register_module("pos_emb", Group())->put("emb", Embedding(config.positions, config.width));
  auto list = register_module("attn_layers", Group())->put("layers", Group());
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.push_back(std::make_shared<BertLayer>(list, config, i));
  }
  final_norm_ = register_module("norm", LayerNorm(config.width));
}

torch::Tensor BertTextImpl::forward(const torch::Tensor& ids, torch::Dtype dtype,
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
