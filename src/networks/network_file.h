#pragma once

#include <filesystem>
#include <optional>

namespace sd {

/// The weights in a folder that PEFT or diffusers wrote; any other path as it is. Nothing for a
/// folder of something else.
std::optional<std::filesystem::path> find_network_file(const std::filesystem::path& path);

/// The same; throws CheckpointError where there is none.
std::filesystem::path network_file(const std::filesystem::path& path);

}  // namespace sd
