#include "weights/diffusers_folder.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "weights/diffusers_config.h"
#include "weights/diffusers_names.h"
#include "weights/part_weights.h"
#include "weights/renamed_source.h"
#include "weights/sharded_files.h"
#include "weights/wrapped_names.h"

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

DiffusersFolder open_diffusers_folder(const fs::path& folder, const Elsewhere& elsewhere) {
  if (!is_present(folder / "model_index.json")) {
    throw CheckpointError(
        fmt::format("{}: this folder holds no model: it has neither model_index.json (a diffusers "
                    "folder) nor model.safetensors nor model.ckpt. Give a .ckpt or .safetensors "
                    "file, or the folder that holds model_index.json.",
                    folder.string()));
  }
  DiffusersFolder opened;
  opened.config = read_diffusers_config(folder, elsewhere);

  std::vector<std::unique_ptr<TensorSource>> sources;
  const auto open_part = [&](const char* name, bool may_lack) {
    Part part;
    if (may_lack && !find_part_weights(folder / name)) return part;
    for (auto& file : open_shards(require_part_weights(folder / name).files)) {
      opened.files.push_back(std::move(file.main_file));
      sources.push_back(with_unwrapped_names(std::move(file.tensors)));
      for (const auto& key : sources.back()->names()) {
        part.keys.push_back(key);
        part.sources.push_back(sources.size() - 1);
      }
    }
    return part;
  };
  const Part unet = open_part("unet", false);
  const Part vae = open_part("vae", elsewhere.vae);
  const Part text = open_part("text_encoder", elsewhere.text);

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
