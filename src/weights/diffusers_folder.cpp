#include "weights/diffusers_folder.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "sd/core/error.h"
#include "weights/diffusers_config.h"
#include "weights/diffusers_names.h"
#include "weights/renamed_source.h"
#include "weights/sharded_files.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

/// The opened files of one part and where they stand among all.
struct Part {
  std::size_t first = 0;
  std::vector<std::string> keys;
  std::vector<std::size_t> sources;  // of each key
};

}  // namespace

ShardedFiles find_weights(const fs::path& part) {
  constexpr std::array<std::string_view, 3> kStems = {"diffusion_pytorch_model", "model",
                                                      "pytorch_model"};
  constexpr std::array<std::string_view, 8> kVariants = {".safetensors",
                                                         ".safetensors.index.json",
                                                         ".fp16.safetensors",
                                                         ".safetensors.index.fp16.json",
                                                         ".bin",
                                                         ".bin.index.json",
                                                         ".fp16.bin",
                                                         ".bin.index.fp16.json"};
  for (const auto variant : kVariants) {
    for (const auto stem : kStems) {
      const fs::path path = part / fmt::format("{}{}", stem, variant);
      std::error_code ignored;
      // A link to nowhere counts, so that the message names it.
      if (!fs::exists(fs::symlink_status(path, ignored))) continue;
      return is_shard_index(path) ? read_shard_index(path) : ShardedFiles{{}, {path}, {}};
    }
  }
  throw CheckpointError(
      fmt::format("{}: no weights in it, expected diffusion_pytorch_model.safetensors, "
                  "model.safetensors or their .fp16, .bin or "
                  "sharded variants",
                  part.string()));
}

DiffusersFolder open_diffusers_folder(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder / "model_index.json", ignored)) {
    throw CheckpointError(
        fmt::format("{}: a folder without model_index.json, so no diffusers model, and without "
                    "model.safetensors or model.ckpt. Give a .ckpt or .safetensors file, or the "
                    "folder that holds model_index.json.",
                    folder.string()));
  }
  DiffusersFolder opened;
  opened.config = read_diffusers_config(folder);

  std::vector<std::unique_ptr<TensorSource>> sources;
  const auto open_part = [&](const char* name) {
    Part part;
    for (auto& file : open_shards(find_weights(folder / name))) {
      opened.files.push_back(std::move(file.main_file));
      sources.push_back(std::move(file.tensors));
      for (const auto& key : sources.back()->names()) {
        part.keys.push_back(key);
        part.sources.push_back(sources.size() - 1);
      }
    }
    return part;
  };
  const Part unet = open_part("unet");
  const Part vae = open_part("vae");
  const Part text = open_part("text_encoder");

  const DiffusersNames names(unet.keys, vae.keys);
  std::vector<RenamedTensor> tensors;
  const auto add_part = [&](const Part& part, const auto& rename) {
    for (std::size_t i = 0; i < part.keys.size(); ++i) {
      CompvisName name = rename(part.keys[i]);
      tensors.push_back({std::move(name.name), part.sources[i], part.keys[i], name.as_convolution});
    }
  };
  add_part(unet, [&](const std::string& key) { return names.unet(key); });
  add_part(vae, [&](const std::string& key) { return names.vae(key); });
  add_part(text, [](const std::string& key) { return CompvisName{compvis_text_name(key), false}; });
  opened.tensors = rename_tensors(folder.string(), std::move(sources), std::move(tensors));
  return opened;
}

}  // namespace sd
