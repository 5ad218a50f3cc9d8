#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace sd::cli {

/// What an IP-Adapter's file says of itself: its kind, its tokens, what it takes and the family it
/// belongs to; with `hash` its SHA-256 too. Throws IoError or CheckpointError.
nlohmann::ordered_json ip_adapter_json(const std::filesystem::path& path, bool hash);

}  // namespace sd::cli
