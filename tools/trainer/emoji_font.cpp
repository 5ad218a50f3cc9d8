#include "trainer/emoji_font.h"

#include <fmt/format.h>
#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>

#include "core/posix_file.h"
#include "sd/core/error.h"

namespace sd::train {
namespace {

using Library = std::unique_ptr<std::remove_pointer_t<FT_Library>, decltype(&FT_Done_FreeType)>;
using Face = std::unique_ptr<std::remove_pointer_t<FT_Face>, decltype(&FT_Done_Face)>;

// Below this alpha (of 255) a pixel is the rim of a shadow, not of the emoji.
constexpr uint8_t kVisibleAlpha = 16;

[[noreturn]] void fail(const std::filesystem::path& font, const std::string& what) {
  throw IoError(
      fmt::format("{}: {}\n    Install the Debian package fonts-noto-color-emoji, or give another "
                  "colour bitmap font.",
                  font.string(), what));
}

/// Pixel (x,y) of a bitmap: blue, green, red, alpha, already premultiplied (FreeType's BGRA).
const uint8_t* pixel_at(const FT_Bitmap& bitmap, int x, int y) {
  return bitmap.buffer + static_cast<std::ptrdiff_t>(y) * bitmap.pitch + std::ptrdiff_t{4} * x;
}

Sprite cut_to_visible(const FT_Bitmap& bitmap) {
  const int width = static_cast<int>(bitmap.width);
  const int height = static_cast<int>(bitmap.rows);
  int left = width, right = 0, top = height, bottom = 0;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      if (pixel_at(bitmap, x, y)[3] < kVisibleAlpha) continue;
      left = std::min(left, x);
      right = std::max(right, x + 1);
      top = std::min(top, y);
      bottom = std::max(bottom, y + 1);
    }
  }
  Sprite sprite{std::max(right - left, 0), std::max(bottom - top, 0), {}};
  sprite.rgba.reserve(std::size_t{4} * static_cast<std::size_t>(sprite.width * sprite.height));
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) {
      const auto* bgra = pixel_at(bitmap, x, y);
      for (const int channel : {2, 1, 0, 3}) sprite.rgba.push_back(bgra[channel]);
    }
  }
  return sprite;
}

Sprite load_one(const std::filesystem::path& font, FT_Face face, char32_t code_point) {
  const auto name = fmt::format("U+{:04X}", static_cast<uint32_t>(code_point));
  const auto glyph = FT_Get_Char_Index(face, code_point);
  if (glyph == 0) fail(font, "has no emoji " + name);
  if (FT_Load_Glyph(face, glyph, FT_LOAD_COLOR) != 0 ||
      face->glyph->bitmap.pixel_mode != FT_PIXEL_MODE_BGRA) {
    fail(font, "has no colour bitmap for " + name);
  }
  auto sprite = cut_to_visible(face->glyph->bitmap);
  if (sprite.rgba.empty()) fail(font, name + " is invisible");
  return sprite;
}

}  // namespace

std::vector<Sprite> load_emoji(const std::filesystem::path& font,
                               const std::vector<char32_t>& code_points) {
  std::error_code ignored;
  if (!std::filesystem::exists(font, ignored)) fail(font, "no such font");
  FT_Library raw_library = nullptr;
  if (FT_Init_FreeType(&raw_library) != 0) throw IoError("FreeType cannot be started");
  const Library library(raw_library, &FT_Done_FreeType);
  std::error_code error;
  if (std::filesystem::exists(font, error) && !std::filesystem::is_regular_file(font, error)) {
    // FreeType would wait for whoever writes into a FIFO.
    fail(font, fmt::format("is {} and no font", kind_of(font)));
  }
  FT_Face raw_face = nullptr;
  const FT_Error opened = FT_New_Face(library.get(), font.c_str(), 0, &raw_face);
  if (opened == FT_Err_Out_Of_Memory)
    throw OutOfMemory(fmt::format("{}: no memory to read it", font.string()));
  if (opened != 0) fail(font, "is no font");
  const Face face(raw_face, &FT_Done_Face);
  if (face->num_fixed_sizes < 1 || FT_Select_Size(face.get(), 0) != 0) {
    fail(font, "holds no bitmaps");
  }
  std::vector<Sprite> sprites;
  sprites.reserve(code_points.size());
  for (const auto code_point : code_points) {
    sprites.push_back(load_one(font, face.get(), code_point));
  }
  return sprites;
}

}  // namespace sd::train
