#pragma once

#include <memory>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/models/text_encoder.h"
#include "sd/nn/layers.h"

namespace sd {

/// The text transformer of LAION-400M latent diffusion (arXiv:2112.10752, appendix E.2): every
/// token looks at every other, padding included; pre-norm, GELU, heads of their own width. Names as
/// x-transformers' TransformerWrapper has them below `transformer`; its `to_logits` is not needed.
class BertTextImpl final : public TextEncoderImpl {
 public:
  explicit BertTextImpl(const TextConfig& config);

  /// The context is the last hidden state after the final norm.
  torch::Tensor forward(const torch::Tensor& ids, torch::Dtype dtype = torch::kFloat,
                        int64_t layers_skipped = 0, const AddedVectors& added = {}) override;

 private:
  TextConfig config_;
  Embedding token_embedding_{nullptr}, position_embedding_{nullptr};
  std::vector<std::shared_ptr<class BertLayer>> layers_;
  LayerNorm final_norm_{nullptr};
};
TORCH_MODULE(BertText);

}  // namespace sd
