#include "sd/weights/open.h"

#include <algorithm>
#include <utility>

#include "weights/diffusers_folder.h"
#include "weights/family.h"
#include "weights/open_file.h"
#include "weights/renamed_source.h"
#include "weights/sharded_files.h"

namespace sd {

std::filesystem::path weights_path(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path / "model_index.json", ignored)) return path;
  for (const char* name : {"model.safetensors", "model.ckpt"}) {
    if (std::filesystem::is_regular_file(path / name, ignored)) return path / name;
  }
  return find_shard_index(path).value_or(path);
}

std::filesystem::path sidecar_path(const std::filesystem::path& path) {
  return unsharded_name(weights_path(path)).replace_extension(".yaml");
}

OpenedModel open_model(const std::filesystem::path& given) {
  const auto path = weights_path(given);
  std::error_code ignored;
  OpenedModel model;
  if (std::filesystem::is_directory(path, ignored)) {
    DiffusersFolder folder = open_diffusers_folder(path);
    model.tensors = std::move(folder.tensors);
    model.format = "diffusers";
    model.main_file = folder.files.front();
    model.config = std::move(folder.config);
  } else {
    OpenedFile file = open_weights(path);
    model.tensors = with_published_names(std::move(file.tensors));
    model.format = std::move(file.format);
    model.metadata = std::move(file.metadata);
    model.main_file = std::move(file.main_file);
  }
  require_drawable(*model.tensors);
  const auto& names = model.tensors->names();
  model.has_ema = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("model_ema.diffusion_model");
  });
  return model;
}

}  // namespace sd
