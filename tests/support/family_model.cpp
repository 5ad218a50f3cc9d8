#include "support/family_model.h"

#include <ATen/ops/from_blob.h>
#include <c10/util/Half.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <string_view>

#include "sd/models/latent_diffusion.h"
#include "sd/weights/write_safetensors.h"
#include "support/golden.h"
#include "support/named_weight.h"
#include "support/temp_folder.h"

namespace sd::test {
namespace {

constexpr std::string_view kText = "cond_stage_model.transformer.text_model.";
constexpr std::string_view kOpenClip = "cond_stage_model.model.";
constexpr std::string_view kVelocityBias =
    "model.diffusion_model.output_blocks.3.1.transformer_blocks.0.norm1.bias";

using Shapes = std::vector<std::pair<std::string, std::vector<int64_t>>>;

std::vector<c10::Half> weight(const std::string& name, const std::vector<int64_t>& shape) {
  const auto values = named_weight(name, shape);
  return {values.begin(), values.end()};
}

bool is_second(TinyFamily family) {
  return family == TinyFamily::kV2 || family == TinyFamily::kV2Inpainting ||
         family == TinyFamily::kV2Velocity;
}

ModelConfig config_of(TinyFamily family) {
  ModelConfig config;
  config.text.width = config.unet.context_dim = 48;
  config.text.layers = 2;
  config.text.feed_forward = 192;
  config.unet.model_channels = 32;
  config.unet.channel_mult = {1, 2};
  config.unet.num_res_blocks = 1;
  config.unet.attention_resolutions = {2, 1};
  config.vae.channels = 32;
  config.vae.channel_mult = {1, 1, 1, 1};
  config.vae.num_res_blocks = 1;
  const bool inpainting =
      family == TinyFamily::kV1Inpainting || family == TinyFamily::kV2Inpainting;
  if (inpainting) config.unet.in_channels = 9;
  if (family == TinyFamily::kPix2Pix) config.unet.in_channels = 8;
  if (family == TinyFamily::kV1Deep || family == TinyFamily::kV1Cut) {
    config.unet.channel_mult = {1, 2, 4};
    config.unet.attention_resolutions = {4, 2, 1};
  }
  if (family == TinyFamily::kV1Cut) config.unet.middle = UNetMiddle::kNone;
  if (family == TinyFamily::kV1Conditioned) config.unet.time_cond_width = 16;
  if (is_second(family)) {
    config.text.width = config.unet.context_dim = 128;
    config.text.feed_forward = 512;
    config.unet.model_channels = 64;
    config.unet.num_head_channels = 64;
    config.unet.use_linear_in_transformer = true;
  }
  return config;
}

/// `all` with every `from` replaced.
std::string replaced(std::string all, std::string_view from, std::string_view to) {
  for (auto at = all.find(from); at != std::string::npos; at = all.find(from, at + to.size())) {
    all.replace(at, from.size(), to);
  }
  return all;
}

/// A text encoder's tensor as OpenCLIP has it; nothing for k and v, which q's stands for.
void add_openclip(std::string name, std::vector<int64_t> shape, Shapes& shapes) {
  if (name.find(".k_proj.") != std::string::npos || name.find(".v_proj.") != std::string::npos) {
    return;
  }
  if (name.find(".q_proj.") != std::string::npos) shape[0] *= 3;
  static const std::vector<std::pair<std::string_view, std::string_view>> kNames = {
      {"embeddings.token_embedding.weight", "token_embedding.weight"},
      {"embeddings.position_embedding.weight", "positional_embedding"},
      {"final_layer_norm.", "ln_final."},
      {"encoder.layers.", "transformer.resblocks."},
      {"layer_norm1", "ln_1"},
      {"layer_norm2", "ln_2"},
      {"mlp.fc1", "mlp.c_fc"},
      {"mlp.fc2", "mlp.c_proj"},
      {"self_attn.out_proj", "attn.out_proj"},
      {"self_attn.q_proj.", "attn.in_proj_"}};
  for (const auto& [clip, open] : kNames) name = replaced(name, clip, open);
  shapes.emplace_back(std::string(kOpenClip) + name, std::move(shape));
}

Shapes checkpoint_shapes(TinyFamily family) {
  const auto config = config_of(family);
  LatentDiffusion model(config);
  Shapes shapes;
  for (const auto& slot : parameter_slots(*model)) {
    if (!is_second(family) || !slot.name.starts_with(kText)) {
      shapes.emplace_back(slot.name, slot.shape);
      continue;
    }
    const auto name = slot.name.substr(kText.size());
    add_openclip(name, slot.shape, shapes);
    if (name.starts_with("encoder.layers.0.")) {  // and the layer that does not run
      add_openclip(replaced(name, "layers.0.", "layers.2."), slot.shape, shapes);
    }
  }
  if (is_second(family)) {
    shapes.emplace_back("cond_stage_model.model.text_projection",
                        std::vector<int64_t>{config.text.width, config.text.width});
    shapes.emplace_back("cond_stage_model.model.logit_scale", std::vector<int64_t>{});
  }
  return shapes;
}

}  // namespace

torch::Tensor drawn_weight(const std::string& name, const std::vector<int64_t>& shape) {
  auto values = weight(name, shape);
  return at::from_blob(values.data(), shape, torch::kHalf).to(torch::kFloat);
}

std::string name_of(TinyFamily family) {
  switch (family) {
    case TinyFamily::kV1Velocity:
      return "v1-velocity";
    case TinyFamily::kV1Inpainting:
      return "v1-inpainting";
    case TinyFamily::kPix2Pix:
      return "pix2pix";
    case TinyFamily::kV2:
      return "v2";
    case TinyFamily::kV2Inpainting:
      return "v2-inpainting";
    case TinyFamily::kV2Velocity:
      return "v2-velocity";
    case TinyFamily::kV1Deep:
      return "v1-deep";
    case TinyFamily::kV1Cut:
      return "v1-cut";
    case TinyFamily::kV1Conditioned:
      return "v1-conditioned";
  }
  return {};
}

void write_family(TinyFamily family, const std::filesystem::path& safetensors,
                  const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::map<std::string, std::vector<c10::Half>> values;  // stay where they are
  std::vector<NamedTensor> tensors;
  for (const auto& [name, shape] : checkpoint_shapes(family)) {
    auto& drawn = values[name] = weight(name, shape);
    if (family == TinyFamily::kV2Velocity && name == kVelocityBias) {
      for (auto& value : drawn) value = 3.0F * value;
    }
    TensorView view;
    view.dtype = DType::kF16;
    view.shape = shape;
    view.bytes = std::as_bytes(std::span(drawn));
    tensors.push_back({name, std::move(view)});
  }
  write_safetensors(safetensors, tensors, metadata);
}

const LoadedModel& family_model(TinyFamily family) {
  static std::map<TinyFamily, LoadedModel> loaded;
  const auto found = loaded.find(family);
  if (found != loaded.end()) return found->second;
  const TempFolder folder;  // parameters are copies in float32: the file may go
  LoadRequest request;
  request.checkpoint = folder / (name_of(family) + ".safetensors");
  request.dtype = DTypeChoice::kF32;
  request.device = device_choice();
  // Of v1 nothing but its publisher's word tells.
  if (family == TinyFamily::kV1Velocity) request.prediction = Prediction::kVelocity;
  write_family(family, request.checkpoint);
  return loaded[family] = load_model(request);
}

}  // namespace sd::test
