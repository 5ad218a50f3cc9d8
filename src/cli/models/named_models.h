#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sd::cli {

/// What the environment variable SD_MODELS_DIR names; none if it is unset or empty.
std::optional<std::filesystem::path> models_folder();

/// Models in `folder` by the shortest name that finds them, sorted: files without their extension,
/// folders that hold a model. Names that could not be shown on a line are left out.
std::vector<std::string> model_names(const std::optional<std::filesystem::path>& folder);

/// The model that `name` means in `folder`: a file or folder of it, with or without extension, or
/// the only one whose name begins so. Throws IoError, with the nearest name, if there is none or
/// more than one.
std::filesystem::path model_named(const std::string& name, const std::filesystem::path& folder);

}  // namespace sd::cli
