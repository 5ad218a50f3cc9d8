#pragma once

#include <vector>

#include "sd/core/model_config.h"
#include "sd/models/text_encoder.h"
#include "sd/nn/layers.h"

namespace sd {

/// CLIP's text transformer (arXiv:2103.00020): causal, pre-norm, quick-GELU or (OpenCLIP) GELU;
/// names as Hugging Face's CLIPTextModel has them below `text_model`.
class ClipTextImpl final : public TextEncoderImpl {
 public:
  explicit ClipTextImpl(const TextConfig& config);

  /// The context is the last hidden state after the final norm.
  torch::Tensor forward(const torch::Tensor& ids, torch::Dtype dtype = torch::kFloat,
                        int64_t layers_skipped = 0, const AddedVectors& added = {}) override;

  const TextConfig& config() const { return config_; }

 private:
  TextConfig config_;
  Embedding token_embedding_{nullptr}, position_embedding_{nullptr};
  std::vector<std::shared_ptr<class ClipLayerImpl>> layers_;
  LayerNorm final_norm_{nullptr};
};
TORCH_MODULE(ClipText);

}  // namespace sd
