#include "cli/models/named_networks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "cli/models/named_models.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "text/suggest.h"
#include "weights/open_file.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kNetworkExtensions = {".safetensors", ".pt", ".ckpt",
                                                                ".bin"};
constexpr int kDeepest = 8;  // folders below each other

/// A file that may be a LoRA, by its name: "styles/ink" of FOLDER/styles/ink.safetensors.
struct NamedFile {
  std::string name;
  fs::path path;

  std::string_view stem() const {
    return std::string_view(name).substr(name.rfind('/') + 1);  // npos + 1 is 0
  }
};

void add_files(const fs::path& folder, std::vector<NamedFile>& files) {
  using Walk = fs::recursive_directory_iterator;
  std::error_code error;
  for (auto entry = Walk(folder, fs::directory_options::skip_permission_denied, error);
       !error && entry != Walk(); entry.increment(error)) {
    if (entry.depth() >= kDeepest) entry.disable_recursion_pending();
    auto path = entry->path();
    const auto extension = path.extension().string();
    if (std::ranges::find(kNetworkExtensions, extension) == kNetworkExtensions.end()) continue;
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) continue;
    auto name = path.lexically_relative(folder).replace_extension().generic_string();
    files.push_back({std::move(name), std::move(path)});
  }
}

/// The folders of LoRAs in `parent` that are not known yet.
void add_folders(const fs::path& parent, std::vector<fs::path>& folders) {
  for (const char* name : {"loras", "Lora"}) {
    const auto folder = parent / name;
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) continue;
    const auto is_it = [&](const fs::path& known) {
      return fs::equivalent(known, folder, ignored);
    };
    if (std::ranges::none_of(folders, is_it)) folders.push_back(folder);
  }
}

std::vector<NamedFile> files_in(const std::vector<fs::path>& folders) {
  std::vector<NamedFile> files;
  for (const auto& folder : folders) add_files(folder, files);
  std::ranges::stable_sort(files, {}, &NamedFile::name);  // of one name, the first folder's
  return files;
}

/// What its training called a file, of those that say it.
std::string name_in(const fs::path& file) {
  if (file.extension() != ".safetensors") return {};
  try {
    for (const auto& [key, value] : open_weights(file).metadata) {
      if (key == "ss_output_name") return value;
    }
  } catch (const Error&) {
    // Whoever asks for it by its own name is told what is wrong with it.
  }
  return {};
}

std::string folders_text(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const auto& folder : folders) names.push_back(folder.string());
  return fmt::format("{}", fmt::join(names, " or "));
}

}  // namespace

std::vector<fs::path> network_folders(const fs::path& model) {
  std::vector<fs::path> folders;
  const char* own = std::getenv("SD_LORA_DIR");
  if (own != nullptr && *own != '\0') folders.emplace_back(own);
  std::error_code ignored;
  if (!model.empty())
    add_folders(fs::is_directory(model, ignored) ? model : model.parent_path(), folders);
  if (const auto models = models_folder()) add_folders(*models, folders);
  return folders;
}

std::vector<std::string> network_names(const std::vector<fs::path>& folders) {
  std::set<std::string> names;
  for (const auto& file : files_in(folders)) names.emplace(file.stem());
  return {names.begin(), names.end()};
}

fs::path network_named(const std::string& what, const std::string& name,
                       const std::vector<fs::path>& folders) {
  if (folders.empty()) {
    throw IoError(fmt::format(
        "{}: there is no LoRA '{}', since no folder of LoRAs is known\nPut it into "
        "'loras' beside the model's weights, set SD_LORA_DIR to the folder, or SD_MODELS_DIR to "
        "one that holds 'loras', or give a file with --lora.",
        what, name));
  }
  const auto files = files_in(folders);
  std::vector<const NamedFile*> found;
  for (const auto& file : files) {
    if (file.name == name) return file.path;
    if (file.stem() == name) found.push_back(&file);
  }
  for (const auto& file : files) {
    if (found.empty() && name_in(file.path) == name) return file.path;
  }
  if (found.size() == 1) return found.front()->path;
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const auto* file : found) names.push_back(file->name);
    throw IoError(fmt::format("{}: '{}' may be any of {} in {}\nGive it with its folder.", what,
                              name, fmt::join(names, ", "), folders_text(folders)));
  }
  throw IoError(fmt::format("{}: no LoRA in {} has the name '{}'{}", what, folders_text(folders),
                            name, did_you_mean(name, network_names(folders))));
}

fs::path find_network(const std::string& what, const std::string& name,
                      const std::vector<fs::path>& folders) {
  const fs::path path(name);
  if (sd::is_named(path)) {
    if (const auto dead = dead_link(path)) throw IoError(what + ": " + *dead);
    return path;
  }
  const bool is_path = name.starts_with('/') || name.starts_with("./") || name.starts_with("../");
  if (is_path || (folders.empty() && name.find('.') != name.npos)) {
    throw IoError(fmt::format("{}: {} does not exist", what, name));
  }
  return network_named(what, name, folders);
}

}  // namespace sd::cli
