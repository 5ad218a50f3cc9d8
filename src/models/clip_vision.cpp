#include "sd/models/clip_vision.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sigmoid.h>
#include <fmt/format.h>

#include <string>

#include "sd/nn/attention.h"

namespace sd {
namespace {

torch::Tensor activated(const torch::Tensor& x, TextActivation activation) {
  return activation == TextActivation::kGelu ? at::gelu(x) : x * at::sigmoid(1.702 * x);
}

/// The class token and the patches at their places, [N,tokens,width].
torch::Tensor embedded(const WeightMap& weights, const VisionConfig& config,
                       const torch::Tensor& pixels) {
  const std::string prefix = "vision_model.embeddings.";
  const auto kernel =
      weights.at(prefix + "patch_embedding.weight", {config.width, 3, config.patch, config.patch});
  const auto patches =
      at::conv2d(pixels, kernel, /*bias=*/{}, config.patch).flatten(2).transpose(1, 2);
  const auto token = weights.at(prefix + "class_embedding", {config.width});
  const auto first = token.view({1, 1, -1}).expand({pixels.size(0), 1, -1});
  return at::cat({first, patches}, 1) +
         weights.at(prefix + "position_embedding.weight", {config.tokens(), config.width});
}

/// One pre-norm layer, as CLIP's text transformer has them, where every token sees every other.
torch::Tensor layer(const WeightMap& weights, const VisionConfig& config, int64_t index,
                    torch::Tensor x) {
  const auto prefix = fmt::format("vision_model.encoder.layers.{}.", index);
  const auto h = weights.norm(prefix + "layer_norm1", x);
  const auto projected = [&](const char* name) {
    return split_heads(weights.linear(prefix + "self_attn." + name, h, config.width), config.heads);
  };
  const auto mixed =
      merge_heads(fused_attention(projected("q_proj"), projected("k_proj"), projected("v_proj")));
  x = x + weights.linear(prefix + "self_attn.out_proj", mixed, config.width);
  const auto inner = weights.linear(prefix + "mlp.fc1", weights.norm(prefix + "layer_norm2", x),
                                    config.feed_forward);
  return x + weights.linear(prefix + "mlp.fc2", activated(inner, config.activation), config.width);
}

}  // namespace

VisionStates see(const WeightMap& weights, const VisionConfig& config, const torch::Tensor& pixels,
                 VisionOutput wanted) {
  auto x = weights.norm("vision_model.pre_layrnorm",
                        embedded(weights, config, pixels.to(weights.device())));
  for (int64_t i = 0; i + 1 < config.layers; ++i) x = layer(weights, config, i, x);
  if (wanted == VisionOutput::kPatches) return {.patches = x, .embedding = {}};
  x = layer(weights, config, config.layers - 1, x);
  const auto pooled = weights.norm("vision_model.post_layernorm", x.select(1, 0));
  if (weights.contains("visual.proj")) {
    const auto projection = weights.at("visual.proj", {config.width, config.projection});
    return {.patches = {}, .embedding = at::matmul(pooled, projection)};
  }
  return {.patches = {},
          .embedding = weights.linear("visual_projection", pooled, config.projection)};
}

}  // namespace sd
