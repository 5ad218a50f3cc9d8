#include "sd/core/dead_link.h"

#include <fmt/format.h>

#include <system_error>

#include "sd/core/error.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

/// What a link to nothing leads to: where it points itself, or the end of several.
std::string describe_link(const fs::path& link) {
  constexpr int kMaxHops = 40;  // as the kernel counts
  std::error_code error;
  auto target = fs::read_symlink(link, error);
  fs::path end = link.parent_path() / target;
  int hops = 1;
  for (; hops < kMaxHops && fs::is_symlink(end, error); ++hops) {
    target = fs::read_symlink(end, error);
    end = end.parent_path() / target;
  }
  if (hops == kMaxHops) return fmt::format("{} is a link that leads back to itself", link.string());
  return fmt::format("{} {} {}, which does not exist", link.string(),
                     hops == 1 ? "is a link to" : "leads, by several links, to", target.string());
}

}  // namespace

std::optional<std::string> dead_link(const fs::path& path) {
  std::error_code error;
  for (auto part = path; !part.empty(); part = part.parent_path()) {
    if (fs::exists(part, error)) return std::nullopt;  // what lies on the way is there too
    if (fs::is_symlink(part, error)) return describe_link(part);
    if (part == part.parent_path()) break;
  }
  return std::nullopt;
}

bool is_named(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error) || dead_link(path).has_value();
}

bool is_present(const fs::path& path) {
  std::error_code error;
  if (fs::exists(path, error)) return true;
  if (const auto dead = dead_link(path)) throw IoError(*dead);
  return false;
}

bool is_present_file(const fs::path& path) {
  std::error_code error;
  return is_present(path) && fs::is_regular_file(path, error);
}

}  // namespace sd
