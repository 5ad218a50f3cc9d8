#include "cli/record/confined_paths.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <optional>
#include <system_error>
#include <utility>

#include "core/posix_file.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

/// Where a path leads, as far as it is there; nothing where that cannot be told.
std::optional<fs::path> resolved(const fs::path& path) {
  std::error_code error;
  const auto whole = fs::absolute(path, error);
  if (error) return std::nullopt;
  auto real = fs::weakly_canonical(whole, error);
  if (error) return std::nullopt;
  return real.has_filename() ? real : real.parent_path();  // without a slash at its end
}

/// The way from `root` to `path`, both resolved; nothing where it leads out.
std::optional<fs::path> way_to(const fs::path& root, const fs::path& path) {
  auto way = path.lexically_relative(root);
  if (way.empty() || *way.begin() == "..") return std::nullopt;
  return way;
}

/// Whether a link stands on the way from `root`, looked at folder by folder without following any.
/// Behind what is not there yet there can be none.
bool meets_link(const fs::path& root, const fs::path& way) {
  constexpr int kFolder = O_PATH | O_DIRECTORY | O_CLOEXEC;
  std::optional<FileDescriptor> folder(::open(root.c_str(), kFolder));
  for (const auto& step : way) {
    struct stat about {};
    if (folder->get() < 0 || step == ".") break;
    if (::fstatat(folder->get(), step.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) break;
    if (S_ISLNK(about.st_mode)) return true;
    folder.emplace(::openat(folder->get(), step.c_str(), kFolder | O_NOFOLLOW));
  }
  return false;
}

}  // namespace

void require_confined(const fs::path& root, const fs::path& path, std::string_view what) {
  const auto inside = resolved(root), real = resolved(path);
  const auto way = inside && real ? way_to(*inside, *real) : std::nullopt;
  // The way as it was given, where that leads below the root: its links are not followed either.
  std::error_code error;
  const auto given = way_to(fs::absolute(root, error).lexically_normal(),
                            fs::absolute(path, error).lexically_normal());
  if (way && !meets_link(*inside, *way) && !(given && meets_link(*inside, *given))) return;
  throw UsageError(fmt::format(
      "{}: {} leads out of {} or over a symbolic link\nWith --confined every path of a task stays "
      "below --outdir, and no link there is followed.",
      what, path.string(), root.string()));
}

void require_readable(const std::vector<fs::path>& roots, const fs::path& path,
                      std::string_view what) {
  const auto real = resolved(path);
  std::vector<std::string> names;
  for (const auto& root : roots) {
    const auto inside = resolved(root);
    if (inside && real && way_to(*inside, *real)) return;
    names.push_back(root.string());
  }
  throw UsageError(fmt::format(
      "{}: {} is not below {}\nWith --confined a task reads what lies below --outdir or beside its "
      "list; give others beside --from-file.",
      what, path.string(), fmt::join(names, " or ")));
}

}  // namespace sd::cli
