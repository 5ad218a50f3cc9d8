#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/weights/ip_adapter_file.h"
#include "weights/family.h"
#include "weights/json_file.h"
#include "weights/open_file.h"
#include "weights/renamed_source.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOpenClip = "visual.";
constexpr std::string_view kTransformers = "vision_model.";

[[noreturn]] void fail(const TensorSource& tensors, std::string_view message) {
  throw CheckpointError(fmt::format("{}: {}", tensors.label(), message));
}

/// OpenCLIP's name without "visual." as transformers has it; of a fused projection without the
/// letter of its third. Nothing for what a tower has not.
std::optional<std::string> transformers_name(std::string name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kParts = {{
      {"class_embedding", "embeddings.class_embedding"},
      {"conv1.weight", "embeddings.patch_embedding.weight"},
      {"positional_embedding", "embeddings.position_embedding.weight"},
      {"ln_pre.", "pre_layrnorm."},
      {"ln_post.", "post_layernorm."},
      {"transformer.resblocks.", "encoder.layers."},
      {".ln_1.", ".layer_norm1."},
      {".ln_2.", ".layer_norm2."},
      {".mlp.c_fc.", ".mlp.fc1."},
      {".mlp.c_proj.", ".mlp.fc2."},
      {".attn.out_proj.", ".self_attn.out_proj."},
      {".attn.in_proj_", ".self_attn.?_proj."},
  }};
  bool known = false;
  for (const auto& [theirs, ours] : kParts) {
    const auto at = name.find(theirs);
    const bool inside = theirs.starts_with('.');
    if (at == name.npos || (!inside && at != 0)) continue;
    name.replace(at, theirs.size(), ours);
    known = true;
  }
  if (!known) return std::nullopt;
  return std::string(kTransformers) + name;
}

void add_openclip(const std::string& original, std::string_view bare,
                  std::vector<RenamedTensor>& renamed) {
  if (bare == "proj") {
    renamed.push_back({.name = "visual.proj", .original = original});
    return;
  }
  const auto name = transformers_name(std::string(bare));
  if (!name) return;
  const auto letter = name->find('?');
  if (letter == name->npos) {
    renamed.push_back({.name = *name, .original = original});
    return;
  }
  for (int64_t part = 0; part < 3; ++part) {
    auto third = *name;
    third[letter] = "qkv"[part];
    renamed.push_back({.name = third, .original = original, .part = part, .parts = 3});
  }
}

/// The tower's tensors by transformers' names, whatever stands before or beside them.
std::unique_ptr<TensorSource> with_tower_names(std::unique_ptr<TensorSource> tensors) {
  constexpr std::string_view kOne = "embeddings.class_embedding", kOther = "class_embedding";
  std::optional<std::string> prefix;
  bool openclip = false;
  for (const std::string& name : tensors->names()) {
    if (name.ends_with(kOne)) {
      auto before = name.substr(0, name.size() - kOne.size());
      if (before.ends_with(kTransformers)) before.resize(before.size() - kTransformers.size());
      prefix = before;
    } else if (name.ends_with("visual.class_embedding")) {
      openclip = true;
      prefix = name.substr(0, name.size() - kOpenClip.size() - kOther.size());
    }
    if (prefix) break;
  }
  if (!prefix) {
    fail(*tensors, fmt::format("expected CLIP's vision tower (vision_model.… or visual.…), found: "
                               "{}\n    Give the image encoder that belongs to the adapter.",
                               guess_family(*tensors).name));
  }
  std::vector<RenamedTensor> renamed;
  for (const auto& name : tensors->names()) {
    if (!name.starts_with(*prefix)) continue;
    const std::string_view bare = std::string_view(name).substr(prefix->size());
    if (openclip && bare.starts_with(kOpenClip)) {
      add_openclip(name, bare.substr(kOpenClip.size()), renamed);
    } else if (!openclip &&
               (bare.starts_with(kTransformers) || bare == "visual_projection.weight")) {
      renamed.push_back({.name = std::string(bare), .original = name});
    } else if (!openclip) {
      renamed.push_back({.name = std::string(kTransformers) + std::string(bare), .original = name});
    }
  }
  return rename_tensors(std::move(tensors), std::move(renamed));
}

std::vector<int64_t> shape_of(const TensorSource& tensors, const std::string& name,
                              std::size_t rank) {
  if (!tensors.contains(name)) fail(tensors, fmt::format("'{}' is missing", name));
  auto shape = tensors.describe(name).shape;
  const bool filled = std::all_of(shape.begin(), shape.end(), [](int64_t n) { return n > 0; });
  if (shape.size() == rank && filled) return shape;
  fail(tensors,
       fmt::format("'{}' has shape {}, expected {} dimensions", name, shape_text(shape), rank));
}

/// What weights do not tell, by the published towers of this width: OpenAI's ViT-B and ViT-L,
/// LAION's ViT-H and ViT-bigG.
void assume_published(VisionConfig& config) {
  constexpr int64_t kHeadWidth = 64;
  const bool openais = config.width == 768 || config.width == 1024;
  config.heads = config.width == 1280 || config.width == 1664
                     ? 16
                     : std::max<int64_t>(config.width / kHeadWidth, 1);
  config.activation = openais ? TextActivation::kQuickGelu : TextActivation::kGelu;
}

void read_settings(const fs::path& json, VisionConfig& config) {
  if (!is_present(json)) return;
  const JsonFile file(json);
  const auto& settings = file.json();
  const auto heads = settings.find("num_attention_heads");
  if (heads != settings.end() && heads->is_number_integer()) config.heads = heads->get<int64_t>();
  const auto activation = settings.find("hidden_act");
  if (activation == settings.end() || !activation->is_string()) return;
  const auto name = activation->get<std::string>();
  if (name != "gelu" && name != "quick_gelu") {
    throw CheckpointError(
        fmt::format("{}: hidden_act is '{}', expected gelu or quick_gelu", json.string(), name));
  }
  config.activation = name == "gelu" ? TextActivation::kGelu : TextActivation::kQuickGelu;
}

VisionConfig config_of(const TensorSource& tensors, const fs::path& settings) {
  VisionConfig config;
  const auto patches = shape_of(tensors, "vision_model.embeddings.patch_embedding.weight", 4);
  const auto places = shape_of(tensors, "vision_model.embeddings.position_embedding.weight", 2);
  config.width = patches[0];
  config.patch = patches[3];
  int64_t side = 1;  // patches a side
  while ((side + 1) * (side + 1) < places[0]) ++side;
  config.side = side * config.patch;
  if (config.tokens() != places[0]) {
    fail(tensors, fmt::format("{} places for patches, expected a square and one more", places[0]));
  }
  config.layers = 0;
  while (tensors.contains(
      fmt::format("vision_model.encoder.layers.{}.layer_norm1.weight", config.layers)))
    ++config.layers;
  if (config.layers < 2) fail(tensors, "fewer than two layers of a vision tower");
  config.feed_forward = shape_of(tensors, "vision_model.encoder.layers.0.mlp.fc1.weight", 2)[0];
  config.projection = tensors.contains("visual.proj")
                          ? shape_of(tensors, "visual.proj", 2)[1]
                          : shape_of(tensors, "visual_projection.weight", 2)[0];
  assume_published(config);
  read_settings(settings, config);
  if (config.heads < 1 || config.width % config.heads != 0) {
    fail(tensors,
         fmt::format("{} heads do not divide its width of {}", config.heads, config.width));
  }
  return config;
}

/// The weights in a folder; the folder itself where it has none.
fs::path weights_in(const fs::path& folder) {
  for (const char* name : {"model.safetensors", "model.fp16.safetensors", "pytorch_model.bin",
                           "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
                           "open_clip_pytorch_model.bin"}) {
    if (is_named(folder / name)) return folder / name;
  }
  throw IoError(
      fmt::format("{}: a folder without model.safetensors or pytorch_model.bin", folder.string()));
}

}  // namespace

VisionFile open_clip_vision(const fs::path& path) {
  std::error_code error;
  const auto file = fs::is_directory(path, error) ? weights_in(path) : path;
  VisionFile opened;
  opened.tensors = with_tower_names(open_weight_file(file).tensors);
  opened.config = config_of(*opened.tensors, file.parent_path() / "config.json");
  return opened;
}

std::optional<fs::path> vision_beside(const fs::path& adapter) {
  const auto folder = adapter.has_parent_path() ? adapter.parent_path() : fs::path(".");
  std::error_code error;
  if (fs::is_directory(folder / "image_encoder", error)) return folder / "image_encoder";
  std::vector<fs::path> found;
  for (auto entry = fs::directory_iterator(folder, error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const auto name = entry->path().filename().string();
    const bool weights = name.ends_with(".safetensors") || name.ends_with(".bin");
    const bool tower = name.starts_with("clip_vision") || name.starts_with("CLIP-ViT-") ||
                       name.starts_with("image_encoder");
    if (weights && tower) found.push_back(entry->path());
  }
  if (found.empty()) return std::nullopt;
  return *std::min_element(found.begin(), found.end());
}

}  // namespace sd
