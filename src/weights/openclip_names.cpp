#include "weights/openclip_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weights/renamed_source.h"

namespace sd {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::string_view kPrefix = "cond_stage_model.model.";
constexpr std::string_view kBlocks = "transformer.resblocks.";
constexpr std::string_view kLayers = "encoder.layers.";  // CLIP's
constexpr int64_t kMaxLayers = 1000;
constexpr std::string_view kTokens = "cond_stage_model.model.token_embedding.weight";

// OpenCLIP on the left, CLIP on the right.
constexpr std::array<Pair, 4> kTop = {{
    {"token_embedding.weight", "embeddings.token_embedding.weight"},
    {"positional_embedding", "embeddings.position_embedding.weight"},
    {"ln_final.weight", "final_layer_norm.weight"},
    {"ln_final.bias", "final_layer_norm.bias"},
}};

constexpr std::array<Pair, 5> kLayer = {{
    {"ln_1.", "layer_norm1."},
    {"ln_2.", "layer_norm2."},
    {"attn.out_proj.", "self_attn.out_proj."},
    {"mlp.c_fc.", "mlp.fc1."},
    {"mlp.c_proj.", "mlp.fc2."},
}};

constexpr std::array<Pair, 2> kFused = {{
    {"attn.in_proj_weight", "weight"},
    {"attn.in_proj_bias", "bias"},
}};

struct LayerName {
  int64_t layer = 0;
  std::string_view rest;  // "attn.in_proj_weight"
};

/// What `name` (without the prefix) says of a layer; layer -1 where it is of none.
LayerName layer_name(std::string_view name) {
  if (!name.starts_with(kBlocks)) return {-1, {}};
  name.remove_prefix(kBlocks.size());
  int64_t layer = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  const auto digits = static_cast<std::size_t>(end - name.data());
  if (error != std::errc{} || layer < 0 || layer >= kMaxLayers || digits >= name.size() ||
      name[digits] != '.') {
    return {-1, {}};
  }
  return {layer, name.substr(digits + 1)};
}

/// How many layers run. ViT-H has 24, of which converted files leave out the one that never runs.
int64_t running_layers(const TensorSource& tensors) {
  int64_t layers = 0;
  for (std::string_view name : tensors.names()) {
    if (!name.starts_with(kPrefix)) continue;
    layers = std::max(layers, layer_name(name.substr(kPrefix.size())).layer + 1);
  }
  const auto published = openclip_text();
  if (layers != published.layers || !tensors.contains(kTokens)) return layers - 1;
  const auto shape = tensors.describe(kTokens).shape;
  return shape.size() == 2 && shape[1] == published.width ? layers : layers - 1;
}

void add_renamed(const std::string& name, int64_t layers, std::vector<RenamedTensor>& renamed) {
  const std::string_view key = std::string_view(name).substr(kPrefix.size());
  for (const auto& [from, to] : kTop) {
    if (key == from) return void(renamed.push_back({compvis_text_name(to), 0, name}));
  }
  const auto [layer, rest] = layer_name(key);
  if (layer >= 0 && layer < layers) {
    const auto start = fmt::format("encoder.layers.{}.", layer);
    for (const auto& [from, to] : kLayer) {
      if (!rest.starts_with(from)) continue;
      const auto clip = fmt::format("{}{}{}", start, to, rest.substr(from.size()));
      return void(renamed.push_back({compvis_text_name(clip), 0, name}));
    }
    for (const auto& [from, to] : kFused) {
      if (rest != from) continue;
      for (int64_t part = 0; part < 3; ++part) {
        const auto clip = fmt::format("{}self_attn.{}_proj.{}", start, "qkv"[part], to);
        renamed.push_back({compvis_text_name(clip), 0, name, false, part, 3});
      }
      return;
    }
  }
  renamed.push_back({name, 0, name});
}

/// What `name` starts with, replaced by what stands on the other side; nothing where no row fits.
template <typename Table>
std::optional<std::string> to_openclip(const Table& table, std::string_view name) {
  for (const auto& [openclip, clip] : table) {
    if (name.starts_with(clip)) return fmt::format("{}{}", openclip, name.substr(clip.size()));
  }
  return std::nullopt;
}

/// Of `encoder.layers.3.self_attn.q_proj.weight` and its like, without the part before.
std::optional<OpenClipName> layer_to_openclip(std::string_view name) {
  if (!name.starts_with(kLayers)) return std::nullopt;
  const auto dot = name.find('.', kLayers.size());
  if (dot == name.npos) return std::nullopt;
  const auto number = name.substr(kLayers.size(), dot - kLayers.size());
  const auto rest = name.substr(dot + 1);
  const auto start = fmt::format("{}{}{}.", kPrefix, kBlocks, number);
  if (auto found = to_openclip(kLayer, rest)) return OpenClipName{start + *found, 0, {}};
  constexpr std::string_view kParts = "qkv";
  for (std::size_t part = 0; part < kParts.size(); ++part) {
    for (const auto& [fused, parameter] : kFused) {
      if (rest != fmt::format("self_attn.{}_proj.{}", kParts[part], parameter)) continue;
      OpenClipName found{fmt::format("{}{}", start, fused), static_cast<int64_t>(part), {}};
      for (const char sibling : kParts.substr(1)) {
        found.siblings.push_back(compvis_text_name(
            fmt::format("{}{}.self_attn.{}_proj.{}", kLayers, number, sibling, parameter)));
      }
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<OpenClipName> openclip_name(std::string_view name) {
  const auto start = compvis_text_name("");
  if (!name.starts_with(start)) return std::nullopt;
  name.remove_prefix(start.size());
  if (auto found = to_openclip(kTop, name))
    return OpenClipName{fmt::format("{}{}", kPrefix, *found), 0, {}};
  return layer_to_openclip(name);
}

bool has_openclip_names(const TensorSource& tensors, const TextConfig& text) {
  if (text.encoder != TextEncoderKind::kClip || text.activation != TextActivation::kGelu)
    return false;
  const auto published = openclip_text();
  if (text.layers == published.layers && text.width == published.width) return true;
  // Else the layer behind tells that it is not one of those that run.
  return tensors.contains(fmt::format("{}{}{}.ln_1.weight", kPrefix, kBlocks, text.layers));
}

std::unique_ptr<TensorSource> with_clip_names(std::unique_ptr<TensorSource> tensors) {
  const auto& names = tensors->names();
  const auto of_openclip = [](std::string_view name) {
    return name.starts_with(kPrefix) && layer_name(name.substr(kPrefix.size())).layer >= 0;
  };
  if (std::none_of(names.begin(), names.end(), of_openclip)) return tensors;
  const int64_t layers = running_layers(*tensors);
  std::vector<RenamedTensor> renamed;
  renamed.reserve(names.size());
  for (const auto& name : names) {
    if (std::string_view(name).starts_with(kPrefix)) {
      add_renamed(name, layers, renamed);
    } else {
      renamed.push_back({name, 0, name});
    }
  }
  return rename_tensors(std::move(tensors), std::move(renamed));
}

}  // namespace sd
