#include "sd/nn/attention.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <limits>

namespace sd {
namespace {

/// Training on a CPU does not use LibTorch's fused kernel. Its backward pass does the matrix
/// products one by one and sets oneDNN up anew for each. At the sizes that are trained here, that
/// took most of a step.
bool trains_on_cpu(const torch::Tensor& q) {
  return q.is_cpu() && q.requires_grad() && c10::GradMode::is_enabled();
}

/// q kᵀ / √d: [R,heads,Q,K].
torch::Tensor attention_scores(const torch::Tensor& q, const torch::Tensor& k) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(q * scale, k.transpose(-2, -1));
}

}  // namespace

torch::Tensor fused_attention(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, bool causal) {
  if (trains_on_cpu(q)) {
    auto scores = attention_scores(q, k);
    if (causal) {
      const auto later = at::ones({q.size(2), k.size(2)}, q.options().dtype(at::kBool)).triu_(1);
      scores = scores.masked_fill(later, -std::numeric_limits<double>::infinity());
    }
    return at::matmul(at::softmax(scores, -1), v);
  }
  return at::scaled_dot_product_attention(q, k, v, /*attn_mask=*/{}, /*dropout_p=*/0.0, causal);
}

torch::Tensor attention_probabilities(const torch::Tensor& q, const torch::Tensor& k) {
  // As in the fused kernels: a score of 8 rounded to bf16 is off by up to 2^-6, and so is what e is
  // raised to.
  return at::softmax(attention_scores(q.to(at::kFloat), k.to(at::kFloat)), -1);
}

torch::Tensor split_heads(const torch::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

torch::Tensor merge_heads(const torch::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

namespace {

/// Computes the probabilities beside the fused kernel, for one group of rows at a time, and only
/// where the controller looks.
void show_rows(AttentionController& controller, const AttentionCall& call, const torch::Tensor& q,
               const torch::Tensor& k) {
  for (const auto& group : call.rows) {
    if (!controller.observes(group, call)) continue;
    const auto rows_of = [&](const torch::Tensor& x) {
      return x.narrow(0, group.begin, group.count);
    };
    controller.observe(attention_probabilities(rows_of(q), rows_of(k)), group, call);
  }
}

}  // namespace

AttentionImpl::AttentionImpl(AttentionSite site, int64_t width, int64_t context_width,
                             int64_t heads, int64_t head_width)
    : site_(site), heads_(heads) {
  const int64_t inner = heads * head_width;
  to_q = register_module("to_q", Linear(width, inner, /*with_bias=*/false));
  to_k = register_module("to_k", Linear(context_width, inner, /*with_bias=*/false));
  to_v = register_module("to_v", Linear(context_width, inner, /*with_bias=*/false));
  to_out_proj = register_module("to_out", Group())->put("0", Linear(inner, width));
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& context,
                                     const ForwardContext& run, int64_t grid_height,
                                     int64_t grid_width) {
  const auto q = split_heads(to_q->forward(x), heads_);        // [R,heads,Q,d]
  const auto k = split_heads(to_k->forward(context), heads_);  // [R,heads,K,d]
  const auto v = split_heads(to_v->forward(context), heads_);
  if (run.controller != nullptr) {
    const AttentionCall call{site_, run.step, run.rows, grid_height, grid_width};
    const AttentionUse use = run.controller->use(call);
    if (use == AttentionUse::kChange) {
      // Here the probabilities of all rows are held at once: 10 MB a row and layer at 64x64 pixels
      // and 77 tokens in float32.
      const auto probs = run.controller->apply(attention_probabilities(q, k), call);
      return to_out_proj->forward(merge_heads(at::matmul(probs.to(v.scalar_type()), v)));
    }
    if (use == AttentionUse::kObserve) show_rows(*run.controller, call, q, k);
  }
  return to_out_proj->forward(merge_heads(fused_attention(q, k, v)));
}

}  // namespace sd
