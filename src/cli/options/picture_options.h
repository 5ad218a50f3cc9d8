#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "sd/image/encode.h"
#include "sd/image/terminal.h"

namespace sd::cli {

struct DrawOptions;

inline constexpr const char* kDefaultName = "{number:05}";  // the original's f"{base_count:05}"
inline constexpr int64_t kDefaultPreviewEvery = 5;

/// Where previews go: a terminal of this kind, or a file that is replaced again and again.
using PreviewTarget = std::variant<TerminalGraphics, std::filesystem::path>;

/// How pictures are written, named and shown meanwhile, as typed. Torch-free.
struct PictureOptions {
  FileFormat format = FileFormat::kPng;
  std::optional<int64_t> quality;   // absent: kDefaultQuality
  std::string name = kDefaultName;  // a NameTemplate
  std::optional<PreviewTarget> preview;
  std::optional<int64_t> preview_every;  // steps; absent: kDefaultPreviewEvery

  Encoding encoding() const { return {format, quality.value_or(kDefaultQuality)}; }
};

/// Reads a value of `--preview`. Throws UsageError.
void read_preview(DrawOptions& options, const std::string& option, const std::string& text);

/// Checks what belongs to those: quality and format, the template, whether there is a terminal for
/// previews or a folder for their file. Throws UsageError, or IoError for a folder that is missing.
void check_picture_files(const DrawOptions& options);

}  // namespace sd::cli
