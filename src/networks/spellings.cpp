#include "networks/spellings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "weights/diffusers_names.h"
#include "weights/openclip_names.h"

namespace sd {
namespace {

constexpr std::string_view kUNetLayers = "model.diffusion_model.";
constexpr std::string_view kTextLayers = "cond_stage_model.";

enum class Scope { kAny, kUNet, kText };

struct SpelledPrefix {
  std::string_view text;
  Scope scope;
};

// What may stand before a layer's own name, with underscores for dots; one after the other.
constexpr std::array kSpelledPrefixes = {
    SpelledPrefix{"base_model_model_", Scope::kAny},
    SpelledPrefix{"lora_unet_", Scope::kUNet},
    SpelledPrefix{"lora_te1_", Scope::kText},
    SpelledPrefix{"lora_te_", Scope::kText},
    SpelledPrefix{"lycoris_", Scope::kAny},
    SpelledPrefix{"unet_", Scope::kUNet},
    SpelledPrefix{"text_encoder_", Scope::kText},
    SpelledPrefix{"model_diffusion_model_", Scope::kUNet},
    SpelledPrefix{"diffusion_model_", Scope::kUNet},
    SpelledPrefix{"cond_stage_model_", Scope::kText},
    SpelledPrefix{"model_", Scope::kAny},
    SpelledPrefix{"transformer_", Scope::kText},
};

std::string with_underscores(std::string_view name) {
  std::string flat(name);
  std::replace(flat.begin(), flat.end(), '.', '_');
  // The oldest diffusers files name the attention processor that the factors lay in.
  constexpr std::string_view kProcessor = "_processor_";
  const auto at = flat.find(kProcessor);
  if (at != flat.npos) flat.erase(at, kProcessor.size() - 1);
  return flat;
}

/// The text with what it ends in replaced; empty where it does not end so.
std::string with_other_end(const std::string& text, std::string_view end, std::string_view other) {
  if (!text.ends_with(end)) return {};
  return text.substr(0, text.size() - end.size()) + std::string(other);
}

}  // namespace

Spellings::Spellings(const std::vector<std::string>& names, const ModelConfig& config) {
  constexpr std::string_view kWeight = ".weight";
  const DiffusersKeys keys(config);
  for (const auto& name : names) {
    if (!name.ends_with(kWeight)) continue;
    add_layer(name.substr(0, name.size() - kWeight.size()), name, keys);
  }
}

void Spellings::add_layer(const std::string& layer, std::string_view parameter,
                          const DiffusersKeys& keys) {
  constexpr std::string_view kWeight = ".weight";
  const bool unet = layer.starts_with(kUNetLayers);
  if (!unet && !layer.starts_with(kTextLayers)) return;
  const ModelLayer own{layer, {}};
  const auto inner = layer.substr((unet ? kUNetLayers : kTextLayers).size());
  auto& table = unet ? unet_ : text_;
  table.emplace(with_underscores(inner), own);
  const auto place = keys.of(parameter);
  if (place && place->key.ends_with(kWeight)) {
    const auto spelling =
        with_underscores(place->key.substr(0, place->key.size() - kWeight.size()));
    if (unet) {
      unet_.emplace(spelling, own);
      if (auto old = with_other_end(spelling, "_to_out_0", "_to_out"); !old.empty())
        unet_.emplace(std::move(old), own);
    } else {
      add_text(spelling, own);
    }
  }
  if (!unet) add_fused(layer);
}

void Spellings::add_text(const std::string& spelling, const ModelLayer& layer) {
  constexpr std::string_view kTextModel = "text_model_";
  text_.emplace(spelling, layer);
  // As recent versions of transformers name them.
  if (spelling.starts_with(kTextModel)) text_.emplace(spelling.substr(kTextModel.size()), layer);
  // As the first diffusers files did.
  for (const auto& [end, old] :
       {std::pair{"_q_proj", "_to_q"}, std::pair{"_k_proj", "_to_k"}, std::pair{"_v_proj", "_to_v"},
        std::pair{"_out_proj", "_to_out"}}) {
    if (auto other = with_other_end(spelling, end, old); !other.empty())
      text_.emplace(std::move(other), layer);
  }
}

/// OpenCLIP's names of a layer of the text encoder.
void Spellings::add_fused(const std::string& layer) {
  constexpr std::string_view kOpenClip = "cond_stage_model.model.";
  const auto openclip = openclip_name(layer + ".weight");
  if (!openclip || openclip->part > 0 || !openclip->name.starts_with(kOpenClip)) return;
  auto spelling = with_underscores(std::string_view(openclip->name).substr(kOpenClip.size()));
  spelling = with_other_end(spelling, "_weight", "");  // in_proj_weight, c_fc.weight
  if (spelling.empty()) return;
  ModelLayer found{layer, {}};
  for (const auto& sibling : openclip->siblings)
    found.siblings.push_back(
        sibling.substr(0, sibling.size() - std::string_view(".weight").size()));
  text_.emplace(std::move(spelling), std::move(found));
}

const ModelLayer* Spellings::find(std::string_view module) const {
  const auto flat = with_underscores(module);
  std::string_view rest = flat;
  auto scope = Scope::kAny;
  while (true) {
    const std::string key(rest);
    if (scope != Scope::kText) {
      if (const auto found = unet_.find(key); found != unet_.end()) return &found->second;
    }
    if (scope != Scope::kUNet) {
      if (const auto found = text_.find(key); found != text_.end()) return &found->second;
    }
    const auto prefix = std::find_if(
        kSpelledPrefixes.begin(), kSpelledPrefixes.end(), [&](const SpelledPrefix& each) {
          const bool allowed =
              scope == Scope::kAny || each.scope == Scope::kAny || each.scope == scope;
          return allowed && rest.starts_with(each.text);
        });
    if (prefix == kSpelledPrefixes.end()) return nullptr;
    rest.remove_prefix(prefix->text.size());
    if (prefix->scope != Scope::kAny) scope = prefix->scope;
  }
}

}  // namespace sd
