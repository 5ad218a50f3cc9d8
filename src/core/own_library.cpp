#include "sd/core/own_library.h"

#include <filesystem>
#include <system_error>

namespace sd {

std::string own_library_path(const std::string& name) {
  std::error_code error;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  if (error) return name;
  for (const auto& candidate : {folder / name, folder / ".." / "lib" / "sd" / name}) {
    if (std::filesystem::exists(candidate, error)) return candidate.string();
  }
  return name;
}

}  // namespace sd
