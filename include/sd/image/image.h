#pragma once

#include <cstdint>
#include <vector>

namespace sd {

/// 8-bit picture, rows top to bottom, interleaved channels (1 grey, 3 RGB, 4 RGBA).
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 3;
  std::vector<uint8_t> pixels;
};

/// Pictures of one size in rows of `columns`, as torchvision's make_grid does it: 2 black pixels
/// around and between (all channels 0, alpha too), never more columns than pictures, grey becomes
/// RGB, and a single picture stays without border. Throws UsageError if `pictures` is empty, sizes
/// differ or columns < 1.
Image make_grid(const std::vector<Image>& pictures, int64_t columns);

}  // namespace sd
