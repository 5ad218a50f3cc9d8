#include "sd/nn/attention.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <limits>
#include <utility>

#include "nn/gpu.h"
#include "nn/kernel_attention.h"
#include "nn/layer_profile.h"
#include "nn/shared_rows.h"
#include "sd/nn/column_edit.h"
#include "sd/nn/forward_edits.h"
#include "sd/nn/image_attention.h"
#include "sd/nn/prompt_cache.h"

namespace sd {
namespace {

/// Training on a CPU does not use LibTorch's fused kernel. Its backward pass does the matrix
/// products one by one and sets oneDNN up anew for each. At the sizes that are trained here, that
/// took most of a step. Probabilities of large pictures, which the way back would keep, are another
/// matter: at 64x64 pixels and 8 heads half a gigabyte each.
/// Without gradients it is the same outside of inference mode: what a checkpoint computes again on
/// the way back is what it computed.
bool trains_on_cpu(const torch::Tensor& q, const torch::Tensor& k) {
  constexpr int64_t kMostProbabilities = int64_t{1} << 26;
  return q.is_cpu() && !c10::InferenceMode::is_enabled() &&
         q.size(0) * q.size(1) * q.size(2) * k.size(2) <= kMostProbabilities;
}

/// q kᵀ / √d: [R,heads,Q,K].
torch::Tensor attention_scores(const torch::Tensor& q, const torch::Tensor& k) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(q * scale, k.transpose(-2, -1));
}

}  // namespace

torch::Tensor fused_attention(const torch::Tensor& q, const torch::Tensor& k,
                              const torch::Tensor& v, bool causal) {
  if (trains_on_cpu(q, k)) {
    auto scores = attention_scores(q, k);
    if (causal) {
      const auto later = at::ones({q.size(2), k.size(2)}, q.options().dtype(at::kBool)).triu_(1);
      scores = scores.masked_fill(later, -std::numeric_limits<double>::infinity());
    }
    return at::matmul(at::softmax(scores, -1), v);
  }
  return at::scaled_dot_product_attention(q, k, v, /*attn_mask=*/{}, /*dropout_p=*/0.0, causal);
}

torch::Tensor fused_attention_with_bias(const torch::Tensor& q, const torch::Tensor& k,
                                        const torch::Tensor& v, const torch::Tensor& bias) {
  if (trains_on_cpu(q, k)) return at::matmul(at::softmax(attention_scores(q, k) + bias, -1), v);
  const auto shape = {q.size(0), q.size(1), q.size(2), k.size(2)};
  return at::scaled_dot_product_attention(q, k, v, bias.to(q.scalar_type()).expand(shape));
}

torch::Tensor attention_logits(const torch::Tensor& q, const torch::Tensor& k) {
  // As in the fused kernels: a score of 8 rounded to bf16 is off by up to 2^-6, and so is what e is
  // raised to.
  return attention_scores(q.to(at::kFloat), k.to(at::kFloat));
}

torch::Tensor attention_probabilities(const torch::Tensor& q, const torch::Tensor& k) {
  return at::softmax(attention_logits(q, k), -1);
}

torch::Tensor split_heads(const torch::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

torch::Tensor merge_heads(const torch::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

torch::Tensor attention_of_projections(const torch::Tensor& q, const torch::Tensor& k,
                                       const torch::Tensor& v, int64_t heads, bool causal) {
  if (can_attend(q)) return attend(q, hold_keys(k, v, heads), causal);
  return merge_heads(
      fused_attention(split_heads(q, heads), split_heads(k, heads), split_heads(v, heads), causal));
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

/// The kernels' attention; what is observed comes from the same pass.
torch::Tensor attend_and_show(AttentionController& controller, const AttentionCall& call,
                              const torch::Tensor& q, const HeldKeys& held) {
  std::vector<int64_t> watched;
  for (const auto& group : call.rows) {
    if (!controller.observes(group, call)) continue;
    for (int64_t i = 0; i < group.count; ++i) watched.push_back(group.begin + i);
  }
  if (watched.empty()) return attend(q, held);
  const auto& shape = held.keys.shape();
  const auto probs =
      at::empty({static_cast<int64_t>(watched.size()), shape.heads, q.size(1), shape.keys},
                at::TensorOptions().dtype(at::kFloat));
  auto mixed = attend(q, held, /*causal=*/false, watched, probs);
  int64_t shown = 0;
  for (const auto& group : call.rows) {
    if (!controller.observes(group, call)) continue;
    controller.observe(probs.narrow(0, shown, group.count), group, call);
    shown += group.count;
  }
  return mixed;
}

torch::Tensor attend_under(AttentionController* controller, const AttentionCall& call,
                           const torch::Tensor& q, const HeldKeys& held) {
  const auto use = controller != nullptr ? controller->use(call) : AttentionUse::kNone;
  switch (use) {
    case AttentionUse::kObserve:
      return attend_and_show(*controller, call, q, held);
    case AttentionUse::kChange:
      // Here the probabilities of all rows are held at once: 10 MB a row and layer at 64x64 pixels
      // and 77 tokens.
      return weigh_values(controller->apply(probabilities(q, held), call), held, q.scalar_type());
    case AttentionUse::kNone:
      break;
  }
  return attend(q, held);
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

bool AttentionImpl::is_watched(const ForwardContext& run, int64_t grid_height,
                               int64_t grid_width) const {
  return run.controller != nullptr && run.controller->use({site_, run.step, run.rows, grid_height,
                                                           grid_width}) != AttentionUse::kNone;
}

bool AttentionImpl::is_shared(const ForwardContext& run) const {
  return site_.kind == AttentionKind::kSelf && run.edits != nullptr &&
         run.edits->sharer != nullptr && run.edits->sharer->acts(site_, run.step, run.rows);
}

AttentionImpl::Projections AttentionImpl::project(const torch::Tensor& x,
                                                  const torch::Tensor& context,
                                                  const ForwardContext& run) {
  const auto heads = [&](const torch::Tensor& sequence) { return split_heads(sequence, heads_); };
  if (!gpu::takes_half(x) || x.scalar_type() != context.scalar_type()) {
    return {heads(to_q->forward(x)), heads(to_k->forward(context)), heads(to_v->forward(context))};
  }
  if (site_.kind == AttentionKind::kSelf) {
    const auto all = joined_linear(x, {to_q.get(), to_k.get(), to_v.get()}).chunk(3, -1);
    return {heads(all[0]), heads(all[1]), heads(all[2])};
  }
  const auto halves = joined_keys(context, run).chunk(2, -1);
  return {heads(to_q->forward(x)), heads(halves[0]), heads(halves[1])};
}

torch::Tensor AttentionImpl::joined_keys(const torch::Tensor& context, const ForwardContext& run) {
  if (run.prompt != nullptr) {
    if (const auto* held = run.prompt->find(this, context)) return held->memory;
  }
  auto both = joined_linear(context, {to_k.get(), to_v.get()});
  if (run.columns != nullptr) {
    const auto halves = both.chunk(2, -1);
    both = at::cat({run.columns->with_sources(halves[0]), run.columns->multiplied(halves[1])}, -1);
  }
  if (run.prompt != nullptr) run.prompt->keep(this, context, {.keys = {}, .memory = both});
  return both;
}

torch::Tensor AttentionImpl::mix_columns(const torch::Tensor& x, const torch::Tensor& context,
                                         const ForwardContext& run) {
  const auto halves = joined_keys(context, run).chunk(2, -1);
  const auto q = run.columns->with_sources(to_q->forward(x));
  const auto mixed = fused_attention(split_heads(q, heads_), split_heads(halves[0], heads_),
                                     split_heads(halves[1], heads_));
  return run.columns->added_up(merge_heads(mixed));
}

torch::Tensor AttentionImpl::mix_shared(const torch::Tensor& x, const ForwardContext& run,
                                        const AttentionCall& call) {
  SharedProjections made{.heads = heads_};
  if (can_attend(x) || gpu::takes_half(x)) {
    const auto all = joined_linear(x, {to_q.get(), to_k.get(), to_v.get()}).chunk(3, -1);
    made.q = all[0], made.k = all[1], made.v = all[2];
  } else {
    made.q = to_q->forward(x), made.k = to_k->forward(x), made.v = to_v->forward(x);
  }
  const auto& sharer = *run.edits->sharer;
  if (sharer.noting) {
    // Copies, since theirs is the memory of the queries too.
    sharer.notes->note(this, made.k.contiguous(), made.v.contiguous());
    return attention_of_projections(made.q, made.k, made.v, heads_);
  }
  if (sharer.notes != nullptr) made.noted = sharer.notes->find(this);
  const auto shared = sharer.rows(call);
  auto found = attention_of_rows(made, shared, run.controller, call);
  if (!shared.empty() && sharer.asks(call)) {
    const bool changed =
        run.controller != nullptr && run.controller->use(call) == AttentionUse::kChange;
    sharer.told(call, moved_by_sharing(made, shared, changed ? torch::Tensor() : found));
  }
  return found;
}

torch::Tensor AttentionImpl::mix(const torch::Tensor& x, const torch::Tensor& context,
                                 const ForwardContext& run, const AttentionCall& call) {
  if (run.columns != nullptr && site_.kind == AttentionKind::kCross) {
    return mix_columns(x, context, run);
  }
  const auto [q, k, v] = project(x, context, run);
  const auto finish = [&, &q = q](const torch::Tensor& mixed) {
    auto merged = merge_heads(mixed);
    return run.images == nullptr ? merged : with_images(std::move(merged), merge_heads(q), run);
  };
  if (run.controller != nullptr) {
    const AttentionUse use = run.controller->use(call);
    if (use == AttentionUse::kChange) {
      const auto probs = run.controller->apply(attention_probabilities(q, k), call);
      return finish(at::matmul(probs.to(v.scalar_type()), v));
    }
    if (use == AttentionUse::kObserve) show_rows(*run.controller, call, q, k);
  }
  return finish(fused_attention(q, k, v));
}

torch::Tensor AttentionImpl::mix_by_kernels(const torch::Tensor& x, const torch::Tensor& context,
                                            const ForwardContext& run, const AttentionCall& call) {
  const auto keys_and_values = [&](const torch::Tensor& both) {
    const auto halves = both.chunk(2, -1);
    return hold_keys(halves[0], halves[1], heads_);
  };
  if (site_.kind == AttentionKind::kSelf) {
    const auto all = joined_linear(x, {to_q.get(), to_k.get(), to_v.get()}).chunk(3, -1);
    return attend_under(run.controller, call, all[0], hold_keys(all[1], all[2], heads_));
  }
  const auto q = to_q->forward(x);
  const auto make = [&] {
    return keys_and_values(joined_linear(context, {to_k.get(), to_v.get()}));
  };
  if (run.prompt == nullptr)
    return with_images(attend_under(run.controller, call, q, make()), q, run);
  const auto* held = run.prompt->find(this, context);
  if (held == nullptr) held = &run.prompt->keep(this, context, make());
  return with_images(attend_under(run.controller, call, q, *held), q, run);
}

torch::Tensor AttentionImpl::with_images(torch::Tensor mixed, const torch::Tensor& q,
                                         const ForwardContext& run) const {
  const auto* images =
      run.images == nullptr || site_.kind == AttentionKind::kSelf ? nullptr : run.images->of(site_);
  if (images == nullptr) return mixed;
  for (const auto& image : *images) {
    if (!can_attend(q)) {
      const auto found = attention_of_projections(q, image.keys, image.values, heads_);
      mixed = mixed + found * image.weight;
      continue;
    }
    const auto make = [&] { return hold_keys(image.keys, image.values, heads_); };
    const auto* held = run.prompt ? run.prompt->find(&image, image.keys) : nullptr;
    if (held == nullptr && run.prompt) held = &run.prompt->keep(&image, image.keys, make());
    mixed.add_(held ? attend(q, *held) : attend(q, make()), image.weight);
  }
  return mixed;
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& context,
                                     const ForwardContext& run, int64_t grid_height,
                                     int64_t grid_width, const torch::Tensor& residual) {
  // Its own two products; those of the projections are theirs.
  const TimedLayer timed(*this, "attention", x, [&] {
    return 4.0 *
           static_cast<double>(x.size(0) * x.size(1) * context.size(1) * to_q->weight.size(0));
  });
  const AttentionCall call{site_, run.step, run.rows, grid_height, grid_width};
  const bool by_kernels = can_attend(x) && x.scalar_type() == context.scalar_type();
  auto mixed = is_shared(run) ? mix_shared(x, run, call)
               : by_kernels   ? mix_by_kernels(x, context, run, call)
                              : mix(x, context, run, call);
  if (is_edited(run)) edit(mixed, x, context, *run.edits, grid_height, grid_width);
  return to_out_proj->forward(mixed, {.residual = residual});
}

}  // namespace sd
