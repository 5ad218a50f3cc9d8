#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/maps/attn_saved.h"
#include "cli/options/attn_options.h"
#include "sd/image/image.h"

namespace sd::cli {

/// `sd attn --from`: draws one token's maps from files that the fork, or `--is_get_attn`, wrote.
struct AttnFromOptions {
  std::optional<std::filesystem::path> from;
  std::optional<std::filesystem::path> image;  // a picture, or a grid of them
  SavedChoice choice;
};

/// A place of a picture in a grid, in pixels.
struct GridCell {
  int64_t left = 0;
  int64_t top = 0;
};

/// Where the pictures of a grid lie.
struct GridLayout {
  std::vector<GridCell> cells;  // rows top to bottom
  int64_t width = 0;            // of a picture
  int64_t height = 0;
};

/// How `picture` is divided into at least `sum.samples` pictures of the maps' aspect. It may be one
/// picture, several side by side, a grid of make_grid's, or a sheet with captions of
/// labelled_sheet's. One picture alone is accepted even if there are maps of several samples.
/// Throws UsageError if it cannot be.
GridLayout find_grid(const Image& picture, const SavedSum& sum);

/// The maps of all samples, 0 to 1: by the largest value of them all, or from their smallest to
/// their largest, as options.norm says.
std::vector<float> normalised(const SavedSum& sum, const AttnOptions& options);

/// The maps over their pictures in options.colormap, options.alpha of it, the first sample over the
/// picture numbered `first`. Pictures without a map, and what is between them, stay.
Image draw_saved(const Image& picture, const GridLayout& layout, const SavedSum& sum,
                 const AttnOptions& options, int64_t first = 0);

/// Draws and writes each sample's map in grey, as large as the map, and where there is a picture
/// all of them over it, under the fork's names (attn_drawings.h). Returns the paths, the picture's
/// last. `say` is told what was assumed. Throws UsageError, IoError.
std::vector<std::filesystem::path> draw_from(const AttnFromOptions& from,
                                             const AttnOptions& options,
                                             const std::filesystem::path& outdir,
                                             const std::function<void(const std::string&)>& say);

}  // namespace sd::cli
