#include "weights/separate_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "weights/detect_parts.h"
#include "weights/diffusers_config.h"
#include "weights/diffusers_names.h"
#include "weights/expected_tensors.h"
#include "weights/family.h"
#include "weights/open_file.h"
#include "weights/part_weights.h"
#include "weights/renamed_source.h"
#include "weights/sharded_files.h"
#include "weights/usual_ranks.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

bool any_starts_with(const Names& names, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return name.starts_with(prefix); });
  });
}

[[noreturn]] void refuse(const TensorSource& tensors, std::string_view expected) {
  throw CheckpointError(fmt::format("{}: expected {}, found: {}", tensors.label(), expected,
                                    guess_family(tensors).name));
}

/// Places of a layer in the original's sequence and in diffusers', which has none for the clamp at
/// the decoder's start.
std::vector<RenamedTensor> numbered_layers(const Names& names, bool decoder, std::size_t source) {
  std::vector<RenamedTensor> layers;
  for (const auto& name : names) {
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const auto digits = static_cast<std::size_t>(end - name.data());
    if (error != std::errc{} || digits >= name.size() || name[digits] != '.') continue;
    layers.push_back({fmt::format("{}.layers.{}{}", decoder ? "decoder" : "encoder",
                                  decoder ? number - 1 : number, name.substr(digits)),
                      source, name, false});
  }
  return layers;
}

bool is_numbered(const TensorSource& tensors) {
  return tensors.contains("1.weight") || tensors.contains("0.weight");
}

/// `taesd_encoder.safetensors` for `taesd_decoder.safetensors`.
fs::path encoder_beside(const fs::path& decoder) {
  auto name = decoder.filename().string();
  const auto at = name.find("decoder");
  if (at == name.npos) return {};
  name.replace(at, std::string_view("decoder").size(), "encoder");
  return decoder.parent_path() / name;
}

std::unique_ptr<TensorSource> open_numbered_taesd(std::unique_ptr<TensorSource> decoder,
                                                  const fs::path& path) {
  // The decoder begins with a clamp, which has no weights.
  if (decoder->contains("0.weight")) {
    throw CheckpointError(
        fmt::format("{}: TAESD's encoder alone, which draws nothing\n    Give its decoder "
                    "(taesd_decoder.safetensors); the encoder beside it is found by itself.",
                    path.string()));
  }
  const std::string label = decoder->label();
  auto layers = numbered_layers(decoder->names(), /*decoder=*/true, 0);
  std::vector<std::unique_ptr<TensorSource>> sources;
  sources.push_back(std::move(decoder));
  const auto beside = encoder_beside(path);
  if (!beside.empty() && is_present_file(beside)) {
    sources.push_back(open_weight_file(beside).tensors);
    for (auto& layer : numbered_layers(sources.back()->names(), /*decoder=*/false, 1))
      layers.push_back(std::move(layer));
  }
  return rename_tensors(label, std::move(sources), std::move(layers));
}

/// Names of a KL autoencoder, whatever they are in the file; nothing if there are none.
std::vector<RenamedTensor> vae_names(const Names& names) {
  std::vector<RenamedTensor> tensors;
  if (any_starts_with(names, {kVaePrefix})) {
    for (const auto& name : names) {
      if (name.starts_with(kVaePrefix)) tensors.push_back({name, 0, name, false});
    }
  } else if (any_starts_with(names, {"encoder.down_blocks.", "decoder.up_blocks."})) {
    const DiffusersNames map({}, names);
    for (const auto& name : names) {
      auto mapped = map.vae(name);
      tensors.push_back({std::move(mapped.name), 0, name, mapped.as_convolution});
    }
  } else if (any_starts_with(names, {"encoder.down.", "decoder.up."})) {
    for (const auto& name : names) tensors.push_back({kVaePrefix + name, 0, name, false});
  }
  return tensors;
}

/// Names of a UNet in a file of its own; nothing if there are none, or if it needs no others.
std::vector<RenamedTensor> unet_names(const Names& names) {
  std::vector<RenamedTensor> tensors;
  if (any_starts_with(names, {"input_blocks.0."})) {
    for (const auto& name : names) tensors.push_back({kUNetPrefix + name, 0, name});
  } else if (any_starts_with(names, {"down_blocks.0."})) {
    const DiffusersNames map(names, {});
    for (const auto& name : names) tensors.push_back({map.unet(name).name, 0, name});
  }
  return tensors;
}

/// Names of CLIP's text encoder; nothing if there are none.
std::vector<RenamedTensor> text_names(const Names& names) {
  std::vector<RenamedTensor> tensors;
  for (const auto& name : names) {
    std::string_view key = name;
    for (std::string_view prefix : {"cond_stage_model.transformer.", "text_model."}) {
      if (key.starts_with(prefix)) key.remove_prefix(prefix.size());
    }
    // An autoencoder has an "encoder." too.
    if (key.starts_with("embeddings.") || key.starts_with("encoder.layers.") ||
        key.starts_with("final_layer_norm.")) {
      tensors.push_back({compvis_text_name(key), 0, name, false});
    }
  }
  return tensors;
}

}  // namespace

PartFiles find_part(const fs::path& path, const char* subfolder) {
  std::error_code ignored;
  PartFiles files;
  fs::path folder;
  if (fs::is_directory(path, ignored)) {
    folder = is_present(path / "model_index.json") ? path / subfolder : path;
    files.weights = require_part_weights(folder).files;
  } else {
    files.weights = find_shards(path).value_or(ShardedFiles{{}, {path}, {}});
    // A config.json describes the files that diffusers and transformers name so; others may lie
    // beside it by chance.
    const auto stem = path.filename().string();
    for (const char* known : {"diffusion_pytorch_model.", "model.", "pytorch_model."}) {
      if (stem.starts_with(known)) folder = path.has_parent_path() ? path.parent_path() : ".";
    }
  }
  if (!folder.empty() && is_present_file(folder / "config.json"))
    files.config = folder / "config.json";
  return files;
}

SeparateVae open_separate_vae(const fs::path& path) {
  const auto files = find_part(path, "vae");
  SeparateVae vae;
  vae.main_file = files.weights.files.front();
  auto tensors = open_sharded(files.weights, path.string()).tensors;
  if (any_starts_with(tensors->names(), {"decoder.layers."})) {
    vae.tiny = true;
    vae.tensors = std::move(tensors);
    return vae;
  }
  if (is_numbered(*tensors)) {
    vae.tiny = true;
    vae.tensors = open_numbered_taesd(std::move(tensors), vae.main_file);
    return vae;
  }
  auto names = vae_names(tensors->names());
  if (names.empty()) refuse(*tensors, "an autoencoder (VAE or TAESD)");
  vae.tensors = with_usual_ranks(rename_tensors(std::move(tensors), std::move(names)));
  if (files.config) {
    ModelConfig config;
    read_vae_config(*files.config, config);
    vae.config = config.vae;
    vae.scale_factor = config.scale_factor;
  }
  const auto sizes = detect_vae_config(*vae.tensors, vae.config.value_or(VaeConfig{}));
  require_complete(*vae.tensors, expected_vae(sizes));
  return vae;
}

SeparateText open_separate_text(const fs::path& path) {
  const auto files = find_part(path, "text_encoder");
  SeparateText text;
  text.main_file = files.weights.files.front();
  auto tensors = open_sharded(files.weights, path.string()).tensors;
  auto names = text_names(tensors->names());
  if (names.empty()) refuse(*tensors, "CLIP's text encoder");
  text.tensors = with_usual_ranks(rename_tensors(std::move(tensors), std::move(names)));
  if (files.config) {
    text.config.emplace();
    read_text_config(*files.config, *text.config);
  }
  const auto sizes = detect_text_config(*text.tensors, text.config.value_or(TextConfig{}));
  require_complete(*text.tensors, expected_text(sizes));
  return text;
}

bool is_bare_unet(const TensorSource& tensors) { return !unet_names(tensors.names()).empty(); }

SeparateUNet open_separate_unet(const fs::path& path) {
  const auto files = find_part(path, "unet");
  SeparateUNet unet;
  unet.main_file = files.weights.files.front();
  unet.config = files.config;
  unet.tensors = open_sharded(files.weights, path.string()).tensors;
  if (auto names = unet_names(unet.tensors->names()); !names.empty())
    unet.tensors = rename_tensors(std::move(unet.tensors), std::move(names));
  return unet;
}

std::unique_ptr<TensorSource> replace_part(std::unique_ptr<TensorSource> whole,
                                           std::unique_ptr<TensorSource> part,
                                           std::string_view prefix) {
  std::vector<RenamedTensor> tensors;
  for (const auto& name : whole->names()) {
    if (!name.starts_with(prefix)) tensors.push_back({name, 0, name, false});
  }
  for (const auto& name : part->names()) tensors.push_back({name, 1, name, false});
  const std::string label = whole->label();
  std::vector<std::unique_ptr<TensorSource>> sources;
  sources.push_back(std::move(whole));
  sources.push_back(std::move(part));
  return rename_tensors(label, std::move(sources), std::move(tensors));
}

}  // namespace sd
