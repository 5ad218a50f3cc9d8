#pragma once

#include <vector>

#include "sd/nn/attention.h"
#include "sd/nn/layers.h"

namespace sd {

/// Gated GELU feed-forward (arXiv:2002.05202): W₂ (a · gelu(b)) with [a,b] = W₁ x, four times as
/// wide inside.
class FeedForwardImpl : public torch::nn::Module {
 public:
  explicit FeedForwardImpl(int64_t width);
  /// Plus `residual`: [R,T,width], all of them.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& residual);

 private:
  Linear proj, out;
};
TORCH_MODULE(FeedForward);

struct SpatialTransformerOptions {
  UNetPart part = UNetPart::kDown;
  int64_t block = 0;
  int64_t downsampling = 1;
  int64_t channels = 0;
  int64_t context_width = 0;
  int64_t heads = 0;
  int64_t head_width = 0;
  int64_t depth = 1;
  int64_t norm_groups = 32;
  bool linear_projection = false;  // SD 2
};

/// Self-attention, cross-attention and feed-forward, each behind a layer norm and added to its
/// input.
class TransformerBlockImpl : public torch::nn::Module {
 public:
  /// The block number `depth` of a spatial transformer.
  TransformerBlockImpl(const SpatialTransformerOptions& options, int64_t depth);
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& context, const ForwardContext& run,
                        int64_t grid_height, int64_t grid_width);

 private:
  /// x and what its self-attention adds.
  torch::Tensor attend_to_itself(const torch::Tensor& x, const ForwardContext& run,
                                 int64_t grid_height, int64_t grid_width);

  bool merges_;  // of the latents' own size: where merging pixels pays, and the published default
  Attention attn1{nullptr}, attn2{nullptr};
  FeedForward ff{nullptr};
  LayerNorm norm1{nullptr}, norm2{nullptr}, norm3{nullptr};
};
TORCH_MODULE(TransformerBlock);

/// Transformer over the pixels of a feature map (latent diffusion, arXiv:2112.10752, appendix
/// E.2.1).
class SpatialTransformerImpl : public torch::nn::Module {
 public:
  explicit SpatialTransformerImpl(const SpatialTransformerOptions& options);
  /// x [R,C,h,w], context [R,K,D] → [R,C,h,w].
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& context,
                        const ForwardContext& run);
  /// Where its first cross-attention stands.
  const AttentionSite& site() const { return site_; }

 private:
  AttentionSite site_;
  GroupNorm norm{nullptr};
  Conv2d proj_in_conv{nullptr}, proj_out_conv{nullptr};
  Linear proj_in_linear{nullptr}, proj_out_linear{nullptr};
  std::vector<TransformerBlock> blocks_;
};
TORCH_MODULE(SpatialTransformer);

}  // namespace sd
