#include "sd/models/ip_adapter.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "sd/core/error.h"
#include "sd/nn/attention.h"

namespace sd {
namespace {

constexpr int64_t kHeadWidth = 64;  // of the resampler, in all published adapters

/// A projection of the picture's embedding: [N,vision] → [N,tokens,width].
torch::Tensor plain_tokens(const WeightMap& weights, const IpAdapterInfo& info,
                           const torch::Tensor& embedding) {
  const auto all = weights.linear("image_proj.proj", embedding, info.tokens * info.width);
  return weights.norm("image_proj.norm", all.view({-1, info.tokens, info.width}));
}

/// A projection of every patch (MLPProjModel): [N,P,vision] → [N,P,width].
torch::Tensor full_tokens(const WeightMap& weights, const IpAdapterInfo& info,
                          const torch::Tensor& patches) {
  const auto inner = at::gelu(weights.linear("image_proj.proj.0", patches, info.vision));
  return weights.norm("image_proj.proj.3", weights.linear("image_proj.proj.2", inner, info.width));
}

/// The size of the first dimension of a weight that there is.
int64_t rows_of(const WeightMap& weights, const std::string& name, int64_t columns) {
  return weights.rows(name + ".weight", columns);
}

/// A Perceiver resampler (arXiv:2204.14198, section 3.1.1): tokens look at the patches and at
/// themselves. [N,P,vision] → [N,tokens,width].
torch::Tensor resampled_tokens(const WeightMap& weights, const IpAdapterInfo& info,
                               const torch::Tensor& patches) {
  const std::string prefix = "image_proj.";
  const auto width = rows_of(weights, prefix + "proj_in", info.vision);
  const auto x = weights.linear(prefix + "proj_in", patches, width);
  auto tokens =
      weights.at(prefix + "latents", {1, info.tokens, width}).expand({patches.size(0), -1, -1});
  for (int64_t i = 0; i < info.depth; ++i) {
    const auto attention = fmt::format("{}layers.{}.0.", prefix, i);
    const auto inner = rows_of(weights, attention + "to_q", width);
    if (inner % kHeadWidth != 0) {
      throw CheckpointError(fmt::format("{}: '{}to_q.weight' is {} wide, expected a multiple of {}",
                                        weights.label(), attention, inner, kHeadWidth));
    }
    const auto heads = inner / kHeadWidth;
    const auto normed = weights.norm(attention + "norm2", tokens);
    const auto seen = at::cat({weights.norm(attention + "norm1", x), normed}, 1);
    const auto keys = weights.linear(attention + "to_kv", seen, 2 * inner).chunk(2, -1);
    const auto q = weights.linear(attention + "to_q", normed, inner);
    const auto mixed =
        merge_heads(fused_attention(split_heads(q, heads), split_heads(keys[0].contiguous(), heads),
                                    split_heads(keys[1].contiguous(), heads)));
    tokens = tokens + weights.linear(attention + "to_out", mixed, width);
    const auto feed_forward = fmt::format("{}layers.{}.1.", prefix, i);
    const auto wide = rows_of(weights, feed_forward + "1", width);
    const auto h = at::gelu(
        weights.linear(feed_forward + "1", weights.norm(feed_forward + "0", tokens), wide));
    tokens = tokens + weights.linear(feed_forward + "3", h, width);
  }
  return weights.norm(prefix + "norm_out", weights.linear(prefix + "proj_out", tokens, info.width));
}

}  // namespace

torch::Tensor image_tokens(const WeightMap& weights, const IpAdapterInfo& info,
                           const torch::Tensor& seen) {
  if (seen.size(-1) != info.vision) {
    throw CheckpointError(fmt::format(
        "{}: the adapter takes {} numbers of the vision tower, the tower makes {}\n    Give the "
        "tower that it was trained with: --ip-vision.",
        weights.label(), info.vision, seen.size(-1)));
  }
  switch (info.kind) {
    case IpAdapterKind::kPlus:
      return resampled_tokens(weights, info, seen);
    case IpAdapterKind::kFull:
      return full_tokens(weights, info, seen);
    case IpAdapterKind::kPlain:
      break;
  }
  return plain_tokens(weights, info, seen);
}

std::vector<CrossLayer> cross_layers(const UNetConfig& config) {
  std::vector<CrossLayer> layers;
  const auto levels = static_cast<int64_t>(config.channel_mult.size());
  const auto add = [&](UNetPart part, int64_t block, int64_t level) {
    const auto downsampling = int64_t{1} << level;
    const auto& at = config.attention_resolutions;
    if (part != UNetPart::kMiddle && std::find(at.begin(), at.end(), downsampling) == at.end())
      return;
    for (int64_t depth = 0; depth < config.transformer_depth; ++depth) {
      layers.push_back(
          {{AttentionKind::kCross, part, block, depth, downsampling},
           config.channel_mult[static_cast<std::size_t>(level)] * config.model_channels});
    }
  };
  int64_t block = 1;
  for (int64_t level = 0; level < levels; ++level, ++block) {  // a downsampling behind each
    for (int64_t i = 0; i < config.num_res_blocks; ++i) add(UNetPart::kDown, block++, level);
  }
  block = 0;
  for (int64_t level = levels - 1; level >= 0; --level) {
    for (int64_t i = 0; i <= config.num_res_blocks; ++i) add(UNetPart::kUp, block++, level);
  }
  add(UNetPart::kMiddle, 1, levels - 1);
  return layers;
}

}  // namespace sd
