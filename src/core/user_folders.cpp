#include "core/user_folders.h"

#include <cstdlib>

namespace sd {

std::optional<std::filesystem::path> user_folder(const char* xdg, const char* below_home) {
  const char* named = std::getenv(xdg);
  if (named != nullptr && *named == '/') return named;
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return std::filesystem::path(home) / below_home;
  return std::nullopt;
}

}  // namespace sd
