#include "sd/image/word_map.h"

#include "sd/image/fit.h"
#include "sd/image/resize.h"

namespace sd {

Image heat_over(const Image& picture, const WordMap& map, Colormap colormap, double alpha) {
  const auto fitted = resize_map(map.values, map.height, map.width, picture.height, picture.width,
                                 Filter::kBicubic);
  const auto heat = colorize(by_maximum(fitted), picture.height, picture.width, colormap);
  return overlay(to_gray(picture), heat, alpha);
}

}  // namespace sd
