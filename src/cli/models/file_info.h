#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace sd::cli {

/// What a picture, checkpoint or embedding says about itself: `file`, `kind` ("image",
/// "checkpoint", "embedding", "inversion" or "ip-adapter"), and what follows from it; with `hash`
/// the SHA-256 of weights too. Throws IoError if it cannot be read, CheckpointError if it is
/// neither.
nlohmann::ordered_json describe_file(const std::filesystem::path& path, bool hash = false);

/// One line of JSON.
std::string json_of(const nlohmann::ordered_json& info);

/// The same for people: a line a value, nested values indented; safe for a terminal.
std::string text_of(const nlohmann::ordered_json& info);

}  // namespace sd::cli
