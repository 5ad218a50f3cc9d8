#include "sd/nn/spatial_transformer.h"

#include <string>

#include "nn/token_merging.h"
#include "sd/core/error.h"
#include "sd/nn/equal_rows.h"

namespace sd {

FeedForwardImpl::FeedForwardImpl(int64_t width) : proj(width, 8 * width), out(4 * width, width) {
  auto net = register_module("net", Group());
  net->put("0", Group())->put("proj", proj);
  net->put("2", out);
}

torch::Tensor FeedForwardImpl::forward(const torch::Tensor& x, const torch::Tensor& residual) {
  const auto gated = proj->forward(x, {.activation = LayerFinish::Activation::kGated});
  return out->forward(gated, {.residual = residual});  // [R,T,4·width] → [R,T,width]
}

TransformerBlockImpl::TransformerBlockImpl(const SpatialTransformerOptions& o, int64_t depth)
    : merges_(o.downsampling == 1) {
  const int64_t width = o.heads * o.head_width;
  const auto attention = [&](AttentionKind kind, int64_t context_width) {
    return Attention(AttentionSite{kind, o.part, o.block, depth, o.downsampling}, width,
                     context_width, o.heads, o.head_width);
  };
  attn1 = register_module("attn1", attention(AttentionKind::kSelf, width));
  ff = register_module("ff", FeedForward(width));
  attn2 = register_module("attn2", attention(AttentionKind::kCross, o.context_width));
  norm1 = register_module("norm1", LayerNorm(width));
  norm2 = register_module("norm2", LayerNorm(width));
  norm3 = register_module("norm3", LayerNorm(width));
}

torch::Tensor TransformerBlockImpl::attend_to_itself(const torch::Tensor& x,
                                                     const ForwardContext& run, int64_t grid_height,
                                                     int64_t grid_width) {
  const auto normed = norm1->forward(x);
  if (run.token_merging == 0 || !merges_) {
    return attn1->forward(normed, normed, run, grid_height, grid_width, x);
  }
  if (attn1->is_watched(run, grid_height, grid_width)) {
    throw UsageError(
        "token_merging: self-attention is controlled in a layer of the latents' own size, where "
        "pixels are merged; leave one of the two out, or control smaller layers alone");
  }
  if (attn1->is_edited(run)) {
    throw UsageError(
        "token_merging: guidance perturbs self-attention in a layer of the latents' own size, "
        "where "
        "pixels are merged; leave one of the two out, or name smaller layers");
  }
  if (attn1->is_shared(run)) {
    throw UsageError(
        "token_merging: rows look at each other's pixels in a layer of the latents' own size, "
        "where pixels are merged; leave one of the two out");
  }
  const TokenMerging merging(x, grid_height, grid_width, run.token_merging);
  const auto merged = merging.merge(normed);
  return merging.unmerge(attn1->forward(merged, merged, run, grid_height, grid_width)) + x;
}

torch::Tensor TransformerBlockImpl::forward(torch::Tensor x, const torch::Tensor& context,
                                            const ForwardContext& run, int64_t grid_height,
                                            int64_t grid_width) {
  // Until they meet their prompts, rows of equal latents are computed once.
  if (attn1->is_watched(run, grid_height, grid_width) || attn1->is_edited(run) ||
      attn1->is_shared(run)) {
    x = all_rows(x, run.same_as);
  }
  x = all_rows(attend_to_itself(x, run, grid_height, grid_width), run.same_as);
  x = attn2->forward(norm2->forward(x), context, run, grid_height, grid_width, x);
  return ff->forward(norm3->forward(x), x);
}

SpatialTransformerImpl::SpatialTransformerImpl(const SpatialTransformerOptions& o)
    : site_{AttentionKind::kCross, o.part, o.block, 0, o.downsampling} {
  const int64_t inner = o.heads * o.head_width;
  norm = register_module("norm", GroupNorm(o.norm_groups, o.channels, 1e-6));
  if (o.linear_projection) {
    proj_in_linear = register_module("proj_in", Linear(o.channels, inner));
  } else {
    proj_in_conv = register_module("proj_in", Conv2d(o.channels, inner, 1));
  }
  auto list = register_module("transformer_blocks", Group());
  for (int64_t d = 0; d < o.depth; ++d) {
    blocks_.push_back(list->put(std::to_string(d), TransformerBlock(o, d)));
  }
  if (o.linear_projection) {
    proj_out_linear = register_module("proj_out", Linear(inner, o.channels));
  } else {
    proj_out_conv = register_module("proj_out", Conv2d(inner, o.channels, 1));
  }
}

torch::Tensor SpatialTransformerImpl::forward(const torch::Tensor& x, const torch::Tensor& context,
                                              const ForwardContext& run) {
  const int64_t height = x.size(2), width = x.size(3);
  const auto to_sequence = [](const torch::Tensor& map) { return map.flatten(2).transpose(1, 2); };
  const auto to_map = [&](const torch::Tensor& sequence) {
    return sequence.transpose(1, 2).reshape({sequence.size(0), sequence.size(2), height, width});
  };
  torch::Tensor h = norm->forward(x);
  h = proj_in_linear ? proj_in_linear->forward(to_sequence(h))
                     : to_sequence(proj_in_conv->forward(h));  // [R,h·w,inner]
  for (auto& block : blocks_) h = block->forward(h, context, run, height, width);
  const auto residual = all_rows(x, run.same_as);
  return proj_out_linear ? to_map(proj_out_linear->forward(h, {.residual = to_sequence(residual)}))
                         : proj_out_conv->forward(to_map(h), {.residual = residual});
}

}  // namespace sd
