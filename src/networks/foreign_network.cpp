#include "networks/foreign_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "sd/core/error.h"
#include "weights/family.h"
#include "weights/open_file.h"

namespace sd {
namespace {

constexpr std::string_view kFamilyXl = "Stable Diffusion XL";
constexpr std::string_view kFamily3 = "Stable Diffusion 3";
constexpr std::string_view kFamilyFlux = "FLUX";
constexpr std::string_view kFamilyTransformer =
    "a diffusion transformer (Stable Diffusion 3, FLUX, Wan, …)";

struct ForeignName {
  std::string_view text;  // anywhere in a module's name, with underscores for dots
  std::string_view family;
};

constexpr std::array kForeignNames = {
    ForeignName{"lora_te3_", kFamily3},
    ForeignName{"text_encoder_3_", kFamily3},
    ForeignName{"joint_blocks_", kFamily3},
    ForeignName{"double_blocks_", kFamilyFlux},
    ForeignName{"single_transformer_blocks_", kFamilyFlux},
    ForeignName{"lora_te2_", kFamilyXl},
    ForeignName{"text_encoder_2_", kFamilyXl},
};

// Only Stable Diffusion XL has more than one transformer block in an attention.
constexpr std::string_view kSecondBlock = "_transformer_blocks_1_";
// Names that begin so are of no UNet.
constexpr std::array<std::string_view, 5> kTransformerStarts = {
    "transformer_transformer_blocks_", "lora_transformer_", "lora_unet_transformer_blocks_",
    "lora_unet_blocks_", "diffusion_model_blocks_"};

struct NamedFamily {
  std::string_view text;  // that a metadata's value begins with
  std::string_view family;
};

constexpr std::array kVersions = {
    NamedFamily{"sdxl", kFamilyXl},
    NamedFamily{"stable-diffusion-xl", kFamilyXl},
    NamedFamily{"sd3", kFamily3},
    NamedFamily{"stable-diffusion-3", kFamily3},
    NamedFamily{"flux", kFamilyFlux},
    NamedFamily{"sd_v1", "Stable Diffusion v1"},
    NamedFamily{"sd_1", "Stable Diffusion v1"},
    NamedFamily{"stable-diffusion-v1", "Stable Diffusion v1"},
    NamedFamily{"sd_v2", "Stable Diffusion v2"},
    NamedFamily{"sd_2", "Stable Diffusion v2"},
    NamedFamily{"stable-diffusion-v2", "Stable Diffusion v2"},
};

std::string flat_name(const std::string& name) {
  std::string flat = name;
  std::replace(flat.begin(), flat.end(), '.', '_');
  return flat;
}

std::string_view family_of_name(std::string_view flat) {
  for (const auto& [text, family] : kForeignNames) {
    if (flat.find(text) != flat.npos) return family;
  }
  for (const auto start : kTransformerStarts) {
    if (flat.starts_with(start)) return kFamilyTransformer;
  }
  const bool in_attention =
      flat.find("attentions_") != flat.npos || flat.find("_blocks_") < flat.find(kSecondBlock);
  return in_attention && flat.find(kSecondBlock) != flat.npos ? kFamilyXl : std::string_view();
}

std::string_view family_of_width(int64_t width) {
  constexpr int64_t kWidth1 = 768, kWidth2 = 1024, kWidthXl = 2048;
  if (width == kWidth1) return "Stable Diffusion v1";
  if (width == kWidth2) return "Stable Diffusion v2";
  return width == kWidthXl ? kFamilyXl : std::string_view();
}

/// By the width of the context that cross-attention takes, or of the text encoder.
std::string_view family_of_widths(const Network::Contents& contents) {
  for (std::size_t i = 0; i < contents.keys.modules.size(); ++i) {
    const auto flat = flat_name(contents.keys.modules[i].name);
    const bool takes_context = flat.find("_attn2_") != flat.npos &&
                               (flat.find("_to_k") != flat.npos || flat.find("_to_v") != flat.npos);
    const bool of_text = flat.find("_self_attn_") != flat.npos;
    if (!takes_context && !of_text) continue;
    const auto width = inputs_of(contents.module(i));
    if (!width) continue;
    if (const auto family = family_of_width(*width); !family.empty()) return family;
  }
  return {};
}

std::string_view family_of_metadata(const NetworkInfo& info) {
  for (const auto& [key, value] : info.metadata) {
    if (key != "ss_base_model_version" && key != "modelspec.architecture") continue;
    for (const auto& [text, family] : kVersions) {
      if (std::string_view(value).starts_with(text)) return family;
    }
  }
  return {};
}

std::string_view any_family(const Network::Contents& contents) {
  for (const auto& module : contents.keys.modules) {
    if (const auto family = family_of_name(flat_name(module.name)); !family.empty()) return family;
  }
  if (const auto family = family_of_widths(contents); !family.empty()) return family;
  return family_of_metadata(contents.info);
}

bool is_ours(std::string_view family) {
  return family.empty() || family.starts_with("Stable Diffusion v");
}

/// What to do with a file that is something else.
std::string advice_for(const Family& family) {
  const auto is = [&](std::string_view text) { return family.name.find(text) != family.name.npos; };
  if (family.drawable) return "It is a whole model: give it with --ckpt.";
  if (is("textual inversion")) return "Give it with --embedding.";
  if (is("VAE") || is("TAESD")) return "Give it with --vae, beside a whole model.";
  if (is("ControlNet")) return "Give it with --control.";
  if (is("text encoder alone")) return "Give it with --clip, beside a whole model.";
  if (is("IP-Adapter")) return "It is no LoRA; take one made for Stable Diffusion v1 or v2.";
  return "Give a LoRA made for Stable Diffusion v1 or v2.";
}

}  // namespace

std::string family_of(const Network::Contents& contents) {
  return std::string(any_family(contents));
}

void refuse_other_families(const Network::Contents& contents) {
  const auto family = any_family(contents);
  if (is_ours(family)) return;
  throw CheckpointError(
      fmt::format("{}: a {} made for {}, expected one for Stable Diffusion v1 or v2\n    Take a "
                  "version of it that was trained on one of these; it cannot be converted.",
                  contents.tensors->label(), contents.info.kind, family));
}

void refuse_other_file(const std::filesystem::path& path) {
  const auto family = guess_family(*open_weights(path).tensors);
  throw CheckpointError(fmt::format("{}: expected a LoRA or one of its kin, found: {}\n    {}",
                                    path.string(), family.name, advice_for(family)));
}

}  // namespace sd
