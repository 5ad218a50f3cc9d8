#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace sd::cli {

/// `sd attn --compose`: which of a folder's drawings (attn_drawings.h) are put beside each other.
struct ComposeChoice {
  std::optional<int64_t> token{};       // absent: the only one drawn
  std::optional<int64_t> first_time{};  // absent: the only stretch of timesteps drawn
  std::optional<int64_t> last_time{};
  // How many there should be, as the fork was told; checked where given.
  std::optional<int64_t> samples{};
  std::optional<int64_t> resolutions{};   // the middle's counts as one
  std::optional<int64_t> level_ranges{};  // without the middle's
  std::optional<int64_t> maps{};          // of each sample
};

/// Draws the fork's two compositions: the middle above, below it a column for every resolution and
/// a row for every range of levels; what was not drawn stays white. One of the maps over pictures,
/// "last_bundle_imgs_idx:3.png" (if there are any), one of the maps alone,
/// "last_bundle_attnmaps_idx:3.png", in `outdir`. Returns their paths. Throws UsageError if what
/// was chosen is not there, saying what is, IoError for a folder without drawings.
std::vector<std::filesystem::path> compose_drawings(const std::filesystem::path& dir,
                                                    const ComposeChoice& choice,
                                                    const std::filesystem::path& outdir);

}  // namespace sd::cli
