#pragma once

#include <filesystem>
#include <vector>

namespace sd::train {

/// A picture with premultiplied alpha: rows top to bottom, red, green, blue, alpha in [0,255].
struct Sprite {
  int width = 0;
  int height = 0;
  std::vector<float> rgba;
};

/// The emoji of `code_points` as the font's colour bitmaps have them, cut to what is visible.
/// Throws IoError if the font is missing (naming the package), is no colour bitmap font, or lacks
/// one.
std::vector<Sprite> load_emoji(const std::filesystem::path& font,
                               const std::vector<char32_t>& code_points);

}  // namespace sd::train
