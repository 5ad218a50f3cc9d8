#pragma once

#include <filesystem>
#include <string>

namespace sd {

/// The SHA-256 of a file in 64 hex digits.
///
/// Hashing a checkpoint of 4 GB takes tens of seconds, so results are kept in
/// `$XDG_CACHE_HOME/sd/hashes.json` (else
/// `~/.cache/sd/hashes.json`) under the file's absolute path, size and modification time. A damaged
/// cache file is ignored and written anew; a cache folder that cannot be written costs only the
/// time. Throws IoError if `path` is not a readable regular file.
std::string model_sha256(const std::filesystem::path& path);

/// What infotext calls "Model hash": its first 10 digits.
std::string model_hash(const std::filesystem::path& path);

/// AUTOMATIC1111's first kind of model hash, by which sd-webui-controlnet still names nets: 8 hex
/// digits of the SHA-256 of the 64 KiB that begin at 1 MiB (of nothing, in a smaller file). Throws
/// IoError if the file cannot be read.
std::string first_model_hash(const std::filesystem::path& path);

}  // namespace sd
