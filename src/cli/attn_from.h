#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "cli/attn_options.h"
#include "cli/attn_saved.h"
#include "sd/image/image.h"

namespace sd::cli {

/// `sd attn --from`: draws one token's maps from files that the fork, or `--is_get_attn`, wrote.
struct AttnFromOptions {
  std::optional<std::filesystem::path> from;
  std::optional<std::filesystem::path> image;  // a picture, or a grid of them
  SavedChoice choice;
  bool is_mid = false;  // the fork's: level 1 alone, whatever its resolution
};

/// Where the pictures of a grid lie, as make_grid places them; without border if there is one.
struct GridLayout {
  int64_t columns = 1;
  int64_t border = 0;
  int64_t width = 0;  // of a picture
  int64_t height = 0;
};

/// How `picture` is divided into at least `sum.samples` pictures of the maps' aspect. Throws
/// UsageError if it cannot be.
GridLayout find_grid(const Image& picture, const SavedSum& sum);

/// The maps over their pictures: each by its maximum (or as options.norm says), in
/// options.colormap, options.alpha of it. Pictures without a map, and borders, stay.
Image draw_saved(const Image& picture, const SavedSum& sum, const AttnOptions& options);

/// Draws and writes OUTDIR/token003_res016-0000.png, counting on; returns its path. Throws
/// UsageError, IoError.
std::filesystem::path draw_from(const AttnFromOptions& from, const AttnOptions& options,
                                const std::filesystem::path& outdir);

}  // namespace sd::cli
