#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sd::cli {

/// Throws UsageError, beginning with `what`, unless `path` lies below the folder `root` once its
/// symbolic links and ".." are resolved, and no link stands on the way from `root` to it or in its
/// place, not even one that leads to nothing. What is not there yet counts as what it will be.
void require_confined(const std::filesystem::path& root, const std::filesystem::path& path,
                      std::string_view what);

/// The same for what is only read: below one of `roots` once links are resolved. Throws UsageError.
void require_readable(const std::vector<std::filesystem::path>& roots,
                      const std::filesystem::path& path, std::string_view what);

}  // namespace sd::cli
