#include "weights/family.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "sd/core/error.h"

namespace sd {
namespace {

enum class Match { kPrefix, kWhole, kAnywhere };

struct Row {
  std::string_view pattern;
  Match match;
  std::string_view family;
  std::string_view advice;
};

constexpr std::string_view kNetworkAdvice =
    "It changes a model; it is not a model itself. Give the model with --ckpt and this with "
    "--lora.";
constexpr std::string_view kOtherFamily =
    "Only models of the Stable Diffusion v1 and v2 families are drawn from.";
constexpr std::string_view kNoPicture = "No picture can be drawn from it.";
constexpr std::string_view kPartAdvice =
    "Give a whole model: one file with UNet, VAE and text encoder, or a diffusers folder.";
constexpr std::string_view kUNetAdvice =
    "Add what is missing with --vae FILE and --clip FILE, or give a whole model.";

constexpr std::string_view kControlAdvice =
    "Give it with --control NET:PICTURE, beside the model that it was made for.";
constexpr std::string_view kVaeAdvice = "Give it with --vae, beside a whole model.";
constexpr std::string_view kClipAdvice = "Give it with --clip, beside a whole model.";

// What stands inside a model and makes another one of it.
constexpr std::array kInside = {
    Row{"model.diffusion_model.label_emb.", Match::kPrefix,
        "Stable Diffusion XL or another class-conditional model", kOtherFamily},
    Row{"model.diffusion_model.joint_blocks.", Match::kPrefix, "Stable Diffusion 3", kOtherFamily},
    Row{"model.diffusion_model.double_blocks.", Match::kPrefix, "FLUX", kOtherFamily},
    Row{"first_stage_model.quantize.", Match::kPrefix, "latent diffusion with a VQ autoencoder",
        kOtherFamily},
    Row{".base_layer.", Match::kAnywhere, "model with a LoRA that was not merged into it (peft)",
        "Merge it first (merge_and_unload), and save the model then."},
};

// The first row that any name fits decides, so special families stand above the general ones. In a
// file with a whole model beside them these are additions, which change nothing.
constexpr std::array kRows = {
    Row{"lora_unet_", Match::kPrefix, "LoRA", kNetworkAdvice},
    Row{"lora_te", Match::kPrefix, "LoRA", kNetworkAdvice},
    Row{".lora_down.", Match::kAnywhere, "LoRA", kNetworkAdvice},
    Row{".lora_up.", Match::kAnywhere, "LoRA", kNetworkAdvice},
    Row{".lora_A.", Match::kAnywhere, "LoRA", kNetworkAdvice},
    Row{".lora.down.", Match::kAnywhere, "LoRA", kNetworkAdvice},
    Row{"_lora.down.", Match::kAnywhere, "LoRA", kNetworkAdvice},
    Row{".lora_linear_layer.", Match::kAnywhere, "LoRA", kNetworkAdvice},
    Row{"lycoris_", Match::kPrefix, "LoRA", kNetworkAdvice},
    Row{"emb_params", Match::kPrefix, "textual inversion embedding", kEmbeddingAdvice},
    Row{"clip_l", Match::kWhole, "textual inversion embedding (Stable Diffusion XL)", kOtherFamily},
    Row{"clip_g", Match::kWhole, "textual inversion embedding (Stable Diffusion XL)", kOtherFamily},
    Row{"ip_adapter.", Match::kPrefix, "IP-Adapter", kIpAdapterAdvice},
    Row{"depth_model.", Match::kPrefix, "depth-guided Stable Diffusion 2", kOtherFamily},
    Row{"lora_controlnet", Match::kWhole, "control-LoRA", kControlAdvice},
    Row{"control_model.", Match::kPrefix, "ControlNet", kControlAdvice},
    Row{"input_hint_block.", Match::kPrefix, "ControlNet", kControlAdvice},
    Row{"controlnet_cond_embedding.", Match::kPrefix, "ControlNet", kControlAdvice},
    Row{"adapter.body.", Match::kPrefix, "T2I-Adapter", kControlAdvice},
    Row{"body.0.block1.", Match::kPrefix, "T2I-Adapter", kControlAdvice},
    Row{"body.0.body.0.block1.", Match::kPrefix, "T2I-Adapter", kControlAdvice},
    Row{"conditioner.embedders.", Match::kPrefix, "Stable Diffusion XL", kOtherFamily},
    Row{"double_blocks.", Match::kPrefix, "FLUX", kOtherFamily},
    Row{"joint_blocks.", Match::kPrefix, "Stable Diffusion 3", kOtherFamily},
    Row{"single_transformer_blocks.", Match::kPrefix, "FLUX", kOtherFamily},
    Row{"transformer_blocks.", Match::kPrefix,
        "diffusion transformer (Stable Diffusion 3, PixArt, …)", kOtherFamily},
};

constexpr std::string_view kUNet = "model.diffusion_model.";
constexpr std::string_view kVae = "first_stage_model.";
constexpr std::string_view kClipText = "cond_stage_model.transformer.text_model.";
constexpr std::string_view kOpenClipText = "cond_stage_model.model.";
constexpr std::string_view kBertText = "cond_stage_model.transformer.token_emb.";

// What remains when there is no UNet by its CompVis name.
constexpr std::array kParts = {
    Row{"first_stage_model.", Match::kPrefix, "VAE alone", kVaeAdvice},
    Row{"encoder.down", Match::kPrefix, "VAE alone", kVaeAdvice},
    Row{"decoder.up", Match::kPrefix, "VAE alone", kVaeAdvice},
    Row{"cond_stage_model.", Match::kPrefix, "text encoder alone", kClipAdvice},
    Row{"text_model.", Match::kPrefix, "text encoder alone", kClipAdvice},
    Row{"embeddings.token_embedding.", Match::kPrefix, "text encoder alone", kClipAdvice},
    Row{"down_blocks.", Match::kPrefix, "UNet of a diffusers folder alone",
        "Give the folder that holds model_index.json, or add --vae FILE and --clip FILE."},
    Row{"decoder.layers.", Match::kPrefix, "TAESD (tiny autoencoder)", kVaeAdvice},
    Row{"3.conv.0.weight", Match::kPrefix, "TAESD (tiny autoencoder)", kVaeAdvice},
    Row{"input_blocks.", Match::kPrefix, "UNet alone", kUNetAdvice},
    Row{"model_ema.", Match::kPrefix, "EMA weights alone", kPartAdvice},
    Row{"transformer.resblocks.", Match::kPrefix, "text encoder alone (OpenCLIP)", kPartAdvice},
    Row{"encoder.block.0.layer.", Match::kPrefix, "text encoder alone (T5)", kPartAdvice},
    Row{"enc.blk.", Match::kPrefix, "text encoder alone (T5)", kPartAdvice},
    Row{"blk.", Match::kPrefix, "language model", kNoPicture},
    Row{"model.layers.", Match::kPrefix, "language model", kNoPicture},
    Row{"conv_first.", Match::kPrefix, "model that enlarges pictures (ESRGAN)", kOtherFamily},
    Row{"<", Match::kPrefix, "textual inversion embedding", kEmbeddingAdvice},
};

bool matches(const Row& row, std::string_view name) {
  switch (row.match) {
    case Match::kPrefix:
      return name.starts_with(row.pattern);
    case Match::kWhole:
      return name == row.pattern;
    case Match::kAnywhere:
      break;
  }
  return name.find(row.pattern) != name.npos;
}

template <typename Rows>
const Row* first_match(const Rows& rows, const std::vector<std::string>& names) {
  for (const Row& row : rows) {
    const bool found = std::any_of(names.begin(), names.end(),
                                   [&](std::string_view name) { return matches(row, name); });
    if (found) return &row;
  }
  return nullptr;
}

bool any_starts_with(const std::vector<std::string>& names, std::string_view prefix) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return name.starts_with(prefix); });
}

std::vector<int64_t> shape_of(const TensorSource& tensors, const char* name) {
  try {
    return tensors.contains(name) ? tensors.describe(name).shape : std::vector<int64_t>{};
  } catch (const CheckpointError&) {  // no plain tensor; whoever needs it will say so
    return {};
  }
}

/// The family of a model that has all of its parts. The channels of the UNet's input tell it: four
/// are the latents, and more than four show the UNet a mask, a picture or a depth map.
Family whole_model(const TensorSource& tensors) {
  const bool second = is_second_generation(tensors);
  const std::string base = second ? "Stable Diffusion v2" : "Stable Diffusion v1";
  const auto input = shape_of(tensors, "model.diffusion_model.input_blocks.0.0.weight");
  switch (input.size() == 4 ? input[1] : 0) {
    case 5:
      return {base + " depth-guided", false, "Depth-guided models are not supported."};
    case 8:
      return {second ? base + " InstructPix2Pix" : "InstructPix2Pix", true, ""};
    case 9:
      return {base + " inpainting", true, ""};
    default:
      return {base, true, ""};
  }
}

Family family_of(const Row& row) {
  return {std::string(row.family), false, std::string(row.advice)};
}

/// Which of the parts beside a UNet are there.
struct Parts {
  bool vae = false, clip = false, bert = false;

  bool all() const { return vae && (clip || bert); }
};

/// A UNet without all that it is drawn with.
Family lone_unet(const Parts& parts) {
  if (parts.vae) return {"UNet without a text encoder", false, "Add one with --clip FILE."};
  if (parts.clip || parts.bert) return {"UNet without a VAE", false, "Add one with --vae FILE."};
  return {"UNet without VAE and text encoder", false, std::string(kUNetAdvice)};
}

}  // namespace

bool is_second_generation(const TensorSource& tensors) {
  constexpr int64_t kOpenClipWidth = 1024;
  const auto& names = tensors.names();
  const auto is_projection = [](std::string_view name) {
    return name.starts_with(kUNet) && name.ends_with(".proj_in.weight");
  };
  const auto projection = std::find_if(names.begin(), names.end(), is_projection);
  if (projection == names.end() || shape_of(tensors, projection->c_str()).size() != 2) return false;
  // The linear projections alone may come from a trainer of v1; who encodes the text decides.
  if (any_starts_with(names, kOpenClipText)) return true;
  const auto words = shape_of(
      tensors, "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight");
  if (words.size() == 2) return words[1] == kOpenClipWidth;
  return !any_starts_with(names, kBertText);
}

Family guess_family(const TensorSource& tensors) {
  const auto& names = tensors.names();
  if (names.empty()) return {"file without tensors", false, std::string(kPartAdvice)};
  if (const Row* row = first_match(kInside, names)) return family_of(*row);
  const bool unet = any_starts_with(names, kUNet);
  const Parts parts = {any_starts_with(names, kVae), any_starts_with(names, kClipText),
                       any_starts_with(names, kBertText)};
  if (unet && parts.all())
    return parts.bert ? Family{"LAION-400M latent diffusion", true, ""} : whole_model(tensors);
  if (const Row* row = first_match(kRows, names)) return family_of(*row);
  if (unet) return lone_unet(parts);
  if (const Row* row = first_match(kParts, names)) return family_of(*row);
  return {fmt::format("set of tensors of no known model ('{}', …)", names.front()), false,
          std::string(kOtherFamily)};
}

void require_drawable(const TensorSource& tensors) {
  const Family family = guess_family(tensors);
  if (family.drawable) return;
  throw CheckpointError(
      fmt::format("{}: expected a model of the Stable Diffusion v1 or v2 family, found: {}\n    {}",
                  tensors.label(), family.name, family.advice));
}

}  // namespace sd
