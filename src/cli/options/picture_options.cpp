#include "cli/options/picture_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "cli/options/draw_options.h"
#include "cli/options/name_template.h"
#include "cli/options/option_values.h"
#include "core/posix_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

const Choices<TerminalGraphics>& terminal_choices() {
  static const Choices<TerminalGraphics> choices = {{"kitty", TerminalGraphics::kKitty},
                                                    {"iterm", TerminalGraphics::kIterm},
                                                    {"sixel", TerminalGraphics::kSixel}};
  return choices;
}

PreviewTarget parse_preview(const std::string& text) {
  std::vector<std::string> known;
  for (const auto& [name, graphics] : terminal_choices()) {
    if (name == text) return graphics;
    known.push_back(name);
  }
  const fs::path file(text);
  if (file.extension() == ".png" && file.has_stem()) return file;
  known.push_back("FILE.png");
  reject_word("--preview", text, known);
}

/// Why a terminal cannot show previews; empty if it can.
std::string_view why_no_terminal(bool quiet) {
  if (quiet) return "contradicts --quiet";
  if (isatty(STDERR_FILENO) == 0) return "standard error is no terminal, so nobody would see it";
  const char* term = std::getenv("TERM");
  if (term == nullptr || std::string_view(term) == "dumb") {
    return "the terminal can show no pictures: TERM is not set, or dumb";
  }
  return {};
}

/// The one file that is written over must be none that the run reads.
void check_preview_file(const fs::path& file, const DrawOptions& options) {
  std::error_code ignored;
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, ignored)) {
    throw IoError(fmt::format("--preview: {} is no folder", folder.string()));
  }
  if (is_present(file) && !fs::is_regular_file(file, ignored)) {
    throw UsageError(
        fmt::format("--preview: {} is not a file but {}", file.string(), kind_of(file)));
  }
  const std::array inputs = {options.input.init_img, options.input.init_mask,
                             options.input.edit_mask, options.swap.blend_mask};
  for (const auto& input : inputs) {
    if (!input || !fs::equivalent(*input, file, ignored)) continue;
    throw UsageError(
        fmt::format("--preview: {} is a picture that this run reads, and would be written over",
                    file.string()));
  }
}

}  // namespace

void read_preview(DrawOptions& options, const std::string&, const std::string& text) {
  options.picture.preview = parse_preview(text);
}

void check_picture_files(const DrawOptions& options) {
  const auto& picture = options.picture;
  if (picture.quality && picture.format == FileFormat::kPng) {
    throw UsageError(
        "--quality: PNG is lossless and has none\nGive --format jpeg or webp with it.");
  }
  if (options.task != DrawTask::kSwap && NameTemplate::parse(picture.name).tells_of_swaps()) {
    throw UsageError("--name: {source} and {target} belong to sd swap");
  }
  if (picture.preview_every && !picture.preview) {
    throw UsageError("--preview-every: give --preview with it");
  }
  if (!picture.preview) return;
  if (const auto* file = std::get_if<fs::path>(&*picture.preview)) {
    return check_preview_file(*file, options);
  }
  const auto why = why_no_terminal(options.quiet);
  if (why.empty()) return;
  for (const auto& [name, graphics] : terminal_choices()) {
    if (graphics != std::get<TerminalGraphics>(*picture.preview)) continue;
    throw UsageError(
        fmt::format("--preview {}: {}\nName a file instead: --preview preview.png", name, why));
  }
}

}  // namespace sd::cli
