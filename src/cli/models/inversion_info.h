#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace sd::cli {

/// What `sd info` tells of an inversion; with `hash` its own SHA-256 too. Throws IoError,
/// CheckpointError.
nlohmann::ordered_json inversion_json(const std::filesystem::path& path, bool hash);

}  // namespace sd::cli
