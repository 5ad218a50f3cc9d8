#include "weights/family.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "sd/core/error.h"

namespace sd {
namespace {

enum class Match { kPrefix, kAnywhere };

struct Row {
  std::string_view pattern;
  Match match;
  std::string_view family;
  std::string_view advice;
};

constexpr std::string_view kLoraAdvice =
    "It changes a model and is none itself: give the model with --ckpt.";
constexpr std::string_view kOtherFamily =
    "Only models of the Stable Diffusion v1 family are drawn from.";
constexpr std::string_view kPartAdvice =
    "Give a whole model: one file with UNet, VAE and text encoder, or a diffusers folder.";

// The first row that any name fits decides, so special families stand above the general ones.
constexpr std::array kRows = {
    Row{"lora_unet_", Match::kPrefix, "LoRA", kLoraAdvice},
    Row{"lora_te", Match::kPrefix, "LoRA", kLoraAdvice},
    Row{".lora_down.", Match::kAnywhere, "LoRA", kLoraAdvice},
    Row{".lora_up.", Match::kAnywhere, "LoRA", kLoraAdvice},
    Row{".lora_A.", Match::kAnywhere, "LoRA", kLoraAdvice},
    Row{".lora.down.", Match::kAnywhere, "LoRA", kLoraAdvice},
    Row{"emb_params", Match::kPrefix, "textual inversion embedding", kLoraAdvice},
    Row{"control_model.", Match::kPrefix, "ControlNet", kLoraAdvice},
    Row{"controlnet_cond_embedding.", Match::kPrefix, "ControlNet", kLoraAdvice},
    Row{"conditioner.embedders.", Match::kPrefix, "Stable Diffusion XL", kOtherFamily},
    Row{"model.diffusion_model.label_emb.", Match::kPrefix,
        "Stable Diffusion XL or another class-conditional model", kOtherFamily},
    Row{"model.diffusion_model.joint_blocks.", Match::kPrefix, "Stable Diffusion 3", kOtherFamily},
    Row{"model.diffusion_model.double_blocks.", Match::kPrefix, "FLUX", kOtherFamily},
    Row{"double_blocks.", Match::kPrefix, "FLUX", kOtherFamily},
    Row{"cond_stage_model.model.transformer.", Match::kPrefix, "Stable Diffusion 2", kOtherFamily},
    Row{"first_stage_model.quantize.", Match::kPrefix, "latent diffusion with a VQ autoencoder",
        kOtherFamily},
};

constexpr std::string_view kUNet = "model.diffusion_model.";
constexpr std::string_view kVae = "first_stage_model.";
constexpr std::string_view kClipText = "cond_stage_model.transformer.text_model.";
constexpr std::string_view kBertText = "cond_stage_model.transformer.token_emb.";

// What remains when there is no UNet by its CompVis name.
constexpr std::array kParts = {
    Row{"first_stage_model.", Match::kPrefix, "VAE alone", kPartAdvice},
    Row{"encoder.down", Match::kPrefix, "VAE alone", kPartAdvice},
    Row{"decoder.up", Match::kPrefix, "VAE alone", kPartAdvice},
    Row{"cond_stage_model.", Match::kPrefix, "text encoder alone", kPartAdvice},
    Row{"text_model.", Match::kPrefix, "text encoder alone", kPartAdvice},
    Row{"embeddings.token_embedding.", Match::kPrefix, "text encoder alone", kPartAdvice},
    Row{"down_blocks.", Match::kPrefix, "UNet of a diffusers folder alone",
        "Give the folder that holds model_index.json."},
    Row{"input_blocks.", Match::kPrefix, "UNet alone", kPartAdvice},
    Row{"model_ema.", Match::kPrefix, "EMA weights alone", kPartAdvice},
};

template <typename Rows>
const Row* first_match(const Rows& rows, const std::vector<std::string>& names) {
  for (const Row& row : rows) {
    const bool found = std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      return row.match == Match::kPrefix ? name.starts_with(row.pattern)
                                         : name.find(row.pattern) != name.npos;
    });
    if (found) return &row;
  }
  return nullptr;
}

bool any_starts_with(const std::vector<std::string>& names, std::string_view prefix) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return name.starts_with(prefix); });
}

}  // namespace

Family guess_family(const TensorSource& tensors) {
  const auto& names = tensors.names();
  if (names.empty()) return {"file without tensors", false, std::string(kPartAdvice)};
  if (const Row* row = first_match(kRows, names))
    return {std::string(row->family), false, std::string(row->advice)};
  if (any_starts_with(names, kUNet)) {
    const bool vae = any_starts_with(names, kVae);
    const bool bert = any_starts_with(names, kBertText);
    const bool text = bert || any_starts_with(names, kClipText);
    if (vae && text) {
      return {bert ? "LAION-400M latent diffusion" : "Stable Diffusion v1", true, ""};
    }
    return {fmt::format("UNet without {}", vae    ? "a text encoder"
                                           : text ? "a VAE"
                                                  : "VAE and text encoder"),
            false, std::string(kPartAdvice)};
  }
  if (const Row* row = first_match(kParts, names))
    return {std::string(row->family), false, std::string(row->advice)};
  return {fmt::format("set of tensors of no known model ('{}', …)", names.front()), false,
          std::string(kOtherFamily)};
}

void require_drawable(const TensorSource& tensors) {
  const Family family = guess_family(tensors);
  if (family.drawable) return;
  throw CheckpointError(
      fmt::format("{}: expected a model of the Stable Diffusion v1 family, found: {}\n    {}",
                  tensors.label(), family.name, family.advice));
}

}  // namespace sd
