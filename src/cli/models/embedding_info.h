#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace sd::cli {

/// Hex digits of an embedding's SHA-256 that tell it, as AUTOMATIC1111 writes "TI hashes".
inline constexpr std::size_t kEmbeddingHash = 12;

/// What an embedding's file says of itself: its name and token, vectors, width and family, and what
/// it was trained on; with `hash` its SHA-256 too. Throws IoError or CheckpointError.
nlohmann::ordered_json embedding_json(const std::filesystem::path& path, bool hash);

}  // namespace sd::cli
