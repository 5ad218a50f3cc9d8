#include "cli/options/outdir_option.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <system_error>

#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// Elsewhere -o and --output name the picture itself.
void reject_picture_name(const std::filesystem::path& folder) {
  auto ending = folder.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::array endings = {".png", ".jpg", ".jpeg", ".webp"};
  std::error_code ignored;
  if (std::ranges::find(endings, ending) == endings.end() ||
      std::filesystem::is_directory(folder, ignored)) {
    return;
  }
  auto parent = folder.parent_path();
  if (parent.empty()) parent = ".";
  throw UsageError(fmt::format(
      "--outdir: '{}' is the name of a picture, and here it names a folder\nFor pictures of that "
      "name: --outdir {} --name {}{}",
      folder.string(), parent.string(), folder.stem().string(),
      ending == ".png"    ? ""
      : ending == ".webp" ? " --format webp"
                          : " --format jpeg"));
}

}  // namespace

void read_outdir(DrawOptions& options, const std::string& option, const std::string& text) {
  reject_picture_name(text);
  read_outdir_as_it_is(options, option, text);
}

void read_outdir_as_it_is(DrawOptions& options, const std::string&, const std::string& text) {
  options.outdir = text;
}

}  // namespace sd::cli
