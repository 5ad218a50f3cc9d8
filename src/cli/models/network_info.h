#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace sd::cli {

/// What a LoRA or one of its kin says of itself; with `hash` its AutoV3 too. Throws IoError, or
/// CheckpointError if it is damaged.
nlohmann::ordered_json network_json(const std::filesystem::path& path, bool hash);

}  // namespace sd::cli
