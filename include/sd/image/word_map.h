#pragma once

#include <cstdint>
#include <vector>

#include "sd/image/heatmap.h"
#include "sd/image/image.h"

namespace sd {

/// How much a picture's places look at a word.
struct WordMap {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<float> values;  // [height*width]
};

/// The picture in grey under a map of any size, resized to it: `colormap` from 0 to the map's
/// largest value, as a word's attention is usually shown. Throws UsageError if the map's size and
/// values contradict each other, or as overlay does.
Image heat_over(const Image& picture, const WordMap& map, Colormap colormap = Colormap::kTurbo,
                double alpha = 0.6);

}  // namespace sd
