#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace sd::cli {

/// What a checkpoint file or diffusers folder holds, read from names and shapes alone; with `hash`
/// also the SHA-256 of its main file. Throws IoError, or CheckpointError if it is something else.
nlohmann::ordered_json checkpoint_json(const std::filesystem::path& path, bool hash);

}  // namespace sd::cli
