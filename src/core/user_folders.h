#pragma once

#include <filesystem>
#include <optional>

namespace sd {

/// What the environment variable `xdg` ("XDG_CACHE_HOME") names, else `below_home` (".cache") in
/// $HOME; none if neither is an absolute path, as the XDG Base Directory Specification has relative
/// ones ignored.
std::optional<std::filesystem::path> user_folder(const char* xdg, const char* below_home);

}  // namespace sd
