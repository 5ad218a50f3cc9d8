#pragma once

#include "sd/nn/attention_controller.h"
#include "sd/nn/layers.h"

namespace sd {

/// softmax(q kᵀ / √d) v without ever holding the probabilities. q [R,heads,Q,d], k and v
/// [R,heads,K,d] → [R,heads,Q,d].
torch::Tensor fused_attention(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, bool causal = false);

/// The same with `bias` [K], or what spreads to [R,heads,Q,K], added to q kᵀ / √d.
torch::Tensor fused_attention_with_bias(const torch::Tensor& q, const torch::Tensor& k,
                                        const torch::Tensor& v, const torch::Tensor& bias);

/// The same of projections as they leave their layers, heads side by side: q [R,Q,heads·d], k and v
/// [R,K,heads·d] → [R,Q,heads·d]. On a CPU without gradients nothing is copied.
torch::Tensor attention_of_projections(const torch::Tensor& q, const torch::Tensor& k,
                                       const torch::Tensor& v, int64_t heads, bool causal = false);

/// q kᵀ / √d in float32: [R,heads,Q,K].
torch::Tensor attention_logits(const torch::Tensor& q, const torch::Tensor& k);

/// The probabilities softmax(q kᵀ / √d) themselves: [R,heads,Q,K]. Vaswani et al.,
/// arXiv:1706.03762, eq. 1.
torch::Tensor attention_probabilities(const torch::Tensor& q, const torch::Tensor& k);

/// [R,T,heads*d] → [R,heads,T,d] (a view).
torch::Tensor split_heads(const torch::Tensor& x, int64_t heads);
/// [R,heads,T,d] → [R,T,heads*d].
torch::Tensor merge_heads(const torch::Tensor& x);

/// Multi-head attention of a spatial transformer: self-attention when `context` is x itself, else
/// cross-attention. Names as ldm.modules.attention.CrossAttention has them.
class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(AttentionSite site, int64_t width, int64_t context_width, int64_t heads,
                int64_t head_width);

  /// x [R,Q,width], context [R,K,context_width] → [R,Q,width], plus `residual` of that shape where
  /// it is defined; the queries are a grid of height × width latent pixels.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& context,
                        const ForwardContext& run, int64_t grid_height, int64_t grid_width,
                        const torch::Tensor& residual = {});

  /// Whether a controller looks at this layer in this call.
  bool is_watched(const ForwardContext& run, int64_t grid_height, int64_t grid_width) const;
  /// Whether guidance changes or shows this layer's attention in this call.
  bool is_edited(const ForwardContext& run) const;
  /// Whether rows look at others in this layer in this call, or note their keys.
  bool is_shared(const ForwardContext& run) const;

 private:
  struct Projections {
    torch::Tensor q, k, v;  // [R,heads,Q,d], [R,heads,K,d] twice
  };
  Projections project(const torch::Tensor& x, const torch::Tensor& context,
                      const ForwardContext& run);
  /// [R,Q,heads·d], before the last projection.
  torch::Tensor mix(const torch::Tensor& x, const torch::Tensor& context, const ForwardContext& run,
                    const AttentionCall& call);
  /// As mix, of self-attention where rows look at others.
  torch::Tensor mix_shared(const torch::Tensor& x, const ForwardContext& run,
                           const AttentionCall& call);
  /// As mix, in half precision on a GPU, for cross-attention under a ColumnEdit.
  torch::Tensor mix_columns(const torch::Tensor& x, const torch::Tensor& context,
                            const ForwardContext& run);
  /// Keys and values of a prompt side by side, [R,K,2·heads·d].
  torch::Tensor joined_keys(const torch::Tensor& context, const ForwardContext& run);
  /// Adds what q [R,Q,heads·d] finds in pictures (IP-Adapter).
  torch::Tensor with_images(torch::Tensor mixed, const torch::Tensor& q,
                            const ForwardContext& run) const;
  torch::Tensor mix_by_kernels(const torch::Tensor& x, const torch::Tensor& context,
                               const ForwardContext& run, const AttentionCall& call);

  /// Changes `mixed`, what the attention of all rows of x to `context` came to, as guidance asks
  /// for.
  void edit(torch::Tensor& mixed, const torch::Tensor& x, const torch::Tensor& context,
            const ForwardEdits& edits, int64_t grid_height, int64_t grid_width);
  /// The same of cross-attention.
  void edit_cross(torch::Tensor& mixed, const torch::Tensor& x, const torch::Tensor& context,
                  const ForwardEdits& edits, int64_t grid_height, int64_t grid_width);
  void push_off(torch::Tensor& mixed, const torch::Tensor& x, const ForwardEdits& edits);
  void add_regions(torch::Tensor& mixed, const torch::Tensor& x, const ForwardEdits& edits);
  void watch_concepts(const torch::Tensor& x, const torch::Tensor& context,
                      const ForwardEdits& edits, int64_t grid_height, int64_t grid_width);
  torch::Tensor perturbed(const torch::Tensor& x, const ForwardEdits& edits, int64_t grid_height,
                          int64_t grid_width);

  AttentionSite site_;
  int64_t heads_;
  Linear to_q{nullptr}, to_k{nullptr}, to_v{nullptr}, to_out_proj{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace sd
