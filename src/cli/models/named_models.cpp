#include "cli/models/named_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <string_view>
#include <system_error>

#include "cli/models/find_model.h"
#include "cli/shell/text_output.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> kExtensions = {".safetensors", ".ckpt", ".gguf",
                                                         ".pt",          ".pth",  ".bin"};

bool is_model_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_directory(folder, ignored) &&
         (is_named(folder / "model_index.json") || weights_path(folder) != folder);
}

std::string model_name_of(const fs::path& entry) {
  if (is_model_folder(entry)) return entry.filename().string();
  const auto extension = entry.extension().string();
  const bool weights = std::ranges::find(kExtensions, extension) != kExtensions.end();
  return weights ? entry.stem().string() : std::string();
}

/// `folder`/`name` as it is, else with an extension; other folders may have a model's name.
std::optional<fs::path> exact(const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  const auto same = folder / name;
  if (fs::is_regular_file(same, ignored) || is_model_folder(same) || dead_link(same)) return same;
  for (const auto extension : kExtensions) {
    auto path = folder / name;
    path += extension;
    if (is_named(path)) return path;
  }
  return std::nullopt;
}

/// The same; a link that leads nowhere is an error that names it.
std::optional<fs::path> found(const fs::path& folder, const std::string& name) {
  auto path = exact(folder, name);
  if (path) require_model("--ckpt: ", *path);
  return path;
}

}  // namespace

std::optional<fs::path> models_folder() {
  const char* folder = std::getenv("SD_MODELS_DIR");
  if (folder == nullptr || *folder == '\0') return std::nullopt;
  return folder;
}

std::vector<std::string> model_names(const std::optional<fs::path>& folder) {
  std::set<std::string> names;
  std::error_code error;
  if (folder) {
    for (auto entry = fs::directory_iterator(*folder, error);
         !error && entry != fs::directory_iterator(); entry.increment(error)) {
      const auto name = model_name_of(entry->path());
      const bool one_line = name.find_first_of("\n\t") == std::string::npos;
      if (!name.empty() && one_line && printable(name) == name) names.insert(name);
    }
  }
  return {names.begin(), names.end()};
}

fs::path model_named(const std::string& name, const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw IoError(fmt::format("--ckpt: {} does not exist, and SD_MODELS_DIR, {}, is not a folder",
                              name, folder.string()));
  }
  if (const auto path = found(folder, name)) return *path;
  const auto names = model_names(folder);
  std::vector<std::string> beginning;
  std::ranges::copy_if(names, std::back_inserter(beginning),
                       [&](const auto& other) { return other.starts_with(name); });
  if (beginning.size() == 1) {
    if (const auto path = found(folder, beginning.front())) return *path;
    throw IoError(fmt::format("--ckpt: {} in SD_MODELS_DIR, {}, was there and is gone",
                              beginning.front(), folder.string()));
  }
  if (beginning.size() > 1) {
    throw IoError(fmt::format("--ckpt: '{}' may be any of {} in SD_MODELS_DIR, {}", name,
                              fmt::join(beginning, ", "), folder.string()));
  }
  throw IoError(
      fmt::format("--ckpt: {} does not exist, and no model in SD_MODELS_DIR, {}, has this name{}",
                  name, folder.string(), did_you_mean(name, names)));
}

}  // namespace sd::cli
