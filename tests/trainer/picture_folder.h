#pragma once

#include <filesystem>
#include <string>

#include "sd/core/atomic_file.h"
#include "sd/image/image.h"
#include "sd/image/png.h"
#include "support/temp_folder.h"

namespace sd::train {

/// A picture whose pixels differ by `number`.
inline Image numbered_picture(int64_t width, int64_t height, int number) {
  Image picture{width, height, 3, {}};
  for (int64_t i = 0; i < 3 * width * height; ++i)
    picture.pixels.push_back(static_cast<uint8_t>((i * (7 + number) + 31 * number) % 251));
  return picture;
}

/// `count` pictures with captions "CAPTION, number N" in N.txt.
inline void write_pictures(const std::filesystem::path& folder, int count,
                           const std::string& caption = "a thing") {
  std::filesystem::create_directories(folder);
  for (int i = 0; i < count; ++i) {
    const auto name = std::to_string(i);
    write_file(folder / (name + ".png"), encode_png(numbered_picture(70 + i, 64, i)));
    test::write_text(folder / (name + ".txt"), caption + ", number " + name);
  }
}

}  // namespace sd::train
