#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace sd {

/// "PATH is a link to TARGET, which does not exist" if `path`, or a folder on the way to it, is a
/// link whose target is missing. Nothing otherwise.
std::optional<std::string> dead_link(const std::filesystem::path& path);

/// Whether a file or folder is there, or a link to nothing of which dead_link speaks.
bool is_named(const std::filesystem::path& path);

/// Whether a file or folder is there. People link weights and settings, and what such a link leads
/// to must not count as absent when it was moved: throws IoError with dead_link's text.
bool is_present(const std::filesystem::path& path);
/// The same of a file: false for a folder.
bool is_present_file(const std::filesystem::path& path);

}  // namespace sd
