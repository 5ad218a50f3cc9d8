#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sd::cli {

/// Where LoRAs are looked for by name, in this order: SD_LORA_DIR, `loras` (or `Lora`) beside the
/// weights of `model`, a file or a folder (empty: none is known), and the same in SD_MODELS_DIR.
/// No folder is named twice.
std::vector<std::filesystem::path> network_folders(const std::filesystem::path& model);

/// The names of the LoRAs in `folders` and the folders below them, sorted.
std::vector<std::string> network_names(const std::vector<std::filesystem::path>& folders);

/// The file of the LoRA that has this name: its file's, without ending, with folders in front where
/// several have it; else the name that its training gave it (`ss_output_name`). Throws IoError,
/// which begins with `what`, naming the nearest.
std::filesystem::path network_named(const std::string& what, const std::string& name,
                                    const std::vector<std::filesystem::path>& folders);

/// The same of an option's value, which may be a path.
std::filesystem::path find_network(const std::string& what, const std::string& name,
                                   const std::vector<std::filesystem::path>& folders);

}  // namespace sd::cli
