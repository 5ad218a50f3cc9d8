#include "pipeline/ip_adapter_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/weights/ip_adapter_file.h"

namespace sd {

std::filesystem::path vision_of(const std::filesystem::path& adapter,
                                const std::optional<std::filesystem::path>& vision) {
  if (vision) {
    if (!is_present(*vision)) throw IoError(fmt::format("{} does not exist", vision->string()));
    return *vision;
  }
  if (const auto beside = vision_beside(adapter)) return *beside;
  throw IoError(fmt::format(
      "{}: its vision tower does not lie beside it (the folder image_encoder, "
      "clip_vision….safetensors, "
      "CLIP-ViT-….safetensors)\nGive it with --ip-vision: ViT-H/14 for the adapters of Stable "
      "Diffusion v1.",
      adapter.string()));
}

int64_t count_cross_layers(const UNetConfig& unet) {
  int64_t transformers = 1;  // in the middle
  for (std::size_t level = 0; level < unet.channel_mult.size(); ++level) {
    const auto& at = unet.attention_resolutions;
    if (std::find(at.begin(), at.end(), int64_t{1} << level) != at.end())
      transformers += 2 * unet.num_res_blocks + 1;
  }
  return transformers * unet.transformer_depth;
}

void check_ip_adapter(const std::filesystem::path& adapter,
                      const std::optional<std::filesystem::path>& vision, IpWeights weights,
                      const UNetConfig& unet) {
  const auto info = open_ip_adapter(adapter).info;
  const auto layers = count_cross_layers(unet);
  if (info.width != unet.context_dim || info.layers != layers) {
    throw CheckpointError(fmt::format(
        "{}: an adapter for {} layers of cross-attention over {} numbers a token, the model has {} "
        "over {}\n    It was trained for another family of models.",
        adapter.string(), info.layers, info.width, layers, unet.context_dim));
  }
  const auto blocks = static_cast<int64_t>(block_weights(weights).size());
  if (weights != IpWeights::kLinear && layers != blocks) {
    throw UsageError(fmt::format(
        "weights by block are for the {} layers of Stable Diffusion, and the model has {}: leave "
        "them linear",
        blocks, layers));
  }
  const auto tower = open_clip_vision(vision_of(adapter, vision)).config;
  const bool plain = info.kind == IpAdapterKind::kPlain;
  const auto made = plain ? tower.projection : tower.width;
  if (made == info.vision) return;
  throw CheckpointError(
      fmt::format("{}: the adapter takes {} of {} numbers, the vision tower makes {}\n    Give the "
                  "tower that it "
                  "was trained with: --ip-vision.",
                  adapter.string(), plain ? "an embedding" : "patches", info.vision, made));
}

}  // namespace sd
