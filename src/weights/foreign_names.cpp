#include "sd/weights/foreign_names.h"

#include <set>
#include <system_error>

#include "sd/core/dead_link.h"
#include "sd/weights/open.h"
#include "weights/open_file.h"
#include "weights/part_weights.h"
#include "weights/sharded_files.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

/// The weight files of a model, as open_model opens them.
std::vector<fs::path> files_of(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const auto shards = find_shards(path);
    return shards ? shards->files : std::vector{path};
  }
  std::vector<fs::path> files;
  const bool whole = is_present(path / "model_index.json");
  for (const auto& part : whole ? std::vector{path / "unet", path / "vae", path / "text_encoder"}
                                : std::vector{path}) {
    const auto weights = find_part_weights(part);
    if (weights)
      files.insert(files.end(), weights->files.files.begin(), weights->files.files.end());
  }
  return files;
}

}  // namespace

std::vector<std::string> foreign_names(const fs::path& model) {
  std::set<std::string> names;
  for (const auto& file : files_of(weights_path(model)))
    for (auto& name : open_weight_file(file).foreign_names) names.insert(std::move(name));
  return {names.begin(), names.end()};
}

}  // namespace sd
