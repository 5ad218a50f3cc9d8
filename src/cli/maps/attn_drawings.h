#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sd/image/image.h"

namespace sd::cli {

/// What a picture drawn from saved maps shows, as the fork's names tell it:
/// "attmap0_tokidx:3_res016_lev:0_2_tstep:0_49.png" is one sample's map,
/// "bundle_attmap_tokidx:3_res016_lev:0_2_tstep:0_49.png" all of them over their pictures.
struct DrawingName {
  std::optional<int64_t> sample;  // absent: the bundle
  int64_t token = 0;
  int64_t resolution = 0;  // latent pixels
  int64_t first_level = 0;
  int64_t last_level = 0;
  int64_t first_time = 0;
  int64_t last_time = 0;

  auto operator<=>(const DrawingName&) const = default;
};

/// The name without its ending.
std::string drawing_stem(const DrawingName& name);

struct Drawing {
  DrawingName name;
  int64_t copy = 0;  // "…-0001.png" is the second of its name
  std::filesystem::path path;
};

/// Reads a file's name; nothing if it is none of these.
std::optional<Drawing> parse_drawing(const std::filesystem::path& path);

/// The drawings in `dir`, of those with one name the newest, sorted by name. Empty if there are
/// none or no such folder. Throws IoError for more of them than a folder can sensibly hold.
std::vector<Drawing> list_drawings(const std::filesystem::path& dir);

/// Writes FOLDER/STEM.png, or where that is taken STEM-0001.png and on; returns its path. Throws
/// IoError.
std::filesystem::path write_drawing(const std::filesystem::path& folder, const std::string& stem,
                                    const Image& image);

}  // namespace sd::cli
