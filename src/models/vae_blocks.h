#pragma once

#include <vector>

#include "models/vae_bands.h"
#include "models/vae_plan.h"
#include "sd/core/model_config.h"
#include "sd/models/vae_memory.h"
#include "sd/nn/layers.h"

namespace sd {

class VaeResBlockImpl : public torch::nn::Module {
 public:
  VaeResBlockImpl(int64_t in_channels, int64_t out_channels, int64_t norm_groups);
  /// Without gradients, x may be overwritten.
  torch::Tensor forward(VaeMaps x, BlockPlan plan = BlockPlan::kWhole, int64_t band_rows = 0);

 private:
  VaeBlockLayers layers_;
};
TORCH_MODULE(VaeResBlock);

/// Single-head self-attention over the pixels of a feature map.
class VaeAttentionImpl : public torch::nn::Module {
 public:
  VaeAttentionImpl(int64_t channels, int64_t norm_groups);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  GroupNorm norm{nullptr};
  Conv2d q{nullptr}, k{nullptr}, v{nullptr}, proj_out{nullptr};
};
TORCH_MODULE(VaeAttention);

/// Residual block, attention, residual block at the smallest size.
class VaeMiddleImpl : public torch::nn::Module {
 public:
  VaeMiddleImpl(int64_t channels, int64_t norm_groups);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  VaeResBlock block_1{nullptr}, block_2{nullptr};
  VaeAttention attn_1{nullptr};
};
TORCH_MODULE(VaeMiddle);

struct VaeLevel {
  std::vector<VaeResBlock> blocks;
  Conv2d resample{nullptr};  // absent at the last level
};

/// Pictures [N,3,H,W] → moments [N,2z,H/f,W/f].
class VaeEncoderImpl : public torch::nn::Module {
 public:
  explicit VaeEncoderImpl(const VaeConfig& config);
  torch::Tensor forward(const torch::Tensor& pictures, const VaeMemory& memory);

 private:
  VaeConfig config_;
  Conv2d conv_in{nullptr}, conv_out{nullptr};
  std::vector<VaeLevel> levels_;
  VaeMiddle mid{nullptr};
  GroupNorm norm_out{nullptr};
};

/// Latents [N,z,h,w] → pictures [N,3,h·f,w·f].
class VaeDecoderImpl : public torch::nn::Module {
 public:
  explicit VaeDecoderImpl(const VaeConfig& config);
  torch::Tensor forward(const torch::Tensor& z, const VaeMemory& memory);

 private:
  VaeConfig config_;
  Conv2d conv_in{nullptr}, conv_out{nullptr};
  VaeMiddle mid{nullptr};
  std::vector<VaeLevel> levels_;  // by level: the decoder runs them from the last to the first
  GroupNorm norm_out{nullptr};
};

}  // namespace sd
