#include "sd/image/preprocess.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "image/checks.h"
#include "sd/core/error.h"
#include "sd/image/resize.h"

namespace sd {
namespace {

Image brighter_than(const Image& picture, int64_t threshold) {
  Image white{picture.width, picture.height, 1, {}};
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::size_t i = 0; i < picture.pixels.size(); i += channels) {
    const auto darkest =
        *std::min_element(picture.pixels.begin() + static_cast<std::ptrdiff_t>(i),
                          picture.pixels.begin() + static_cast<std::ptrdiff_t>(i + channels));
    white.pixels.push_back(darkest > threshold ? 255 : 0);
  }
  return white;
}

Image inverted(Image picture) {
  for (auto& value : picture.pixels) value = static_cast<uint8_t>(255 - value);
  return picture;
}

/// Shrunk by area, enlarged by Lanczos.
Image resampled(const Image& picture, double rate) {
  constexpr double kMostRate = 64;
  if (!(rate >= 1 && rate <= kMostRate)) {
    throw UsageError(fmt::format("tile: a rate of {}, expected 1 to {}", rate, kMostRate));
  }
  const auto shrunk = [rate](int64_t side) {
    return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(side) / rate));
  };
  return resize(resize(picture, shrunk(picture.width), shrunk(picture.height), Filter::kBox),
                picture.width, picture.height, Filter::kLanczos);
}

/// The factor by which a picture is scaled to cover a size, or to fit into it.
double factor_of(const Image& picture, Size size, ControlResize resize) {
  const double across = static_cast<double>(size.width) / static_cast<double>(picture.width);
  const double down = static_cast<double>(size.height) / static_cast<double>(picture.height);
  return resize == ControlResize::kCrop ? std::max(across, down) : std::min(across, down);
}

Size scaled_size(const Image& picture, Size size, ControlResize resize) {
  if (resize == ControlResize::kStretch) return size;
  const double factor = factor_of(picture, size, resize);
  const auto scaled = [factor](int64_t side) {
    return std::max<int64_t>(1, std::lround(static_cast<double>(side) * factor));
  };
  return {scaled(picture.width), scaled(picture.height)};
}

/// The median of a channel along the picture's border.
uint8_t border_median(const Image& picture, int64_t channel) {
  std::vector<uint8_t> values;
  for (int64_t y = 0; y < picture.height; ++y) {
    for (int64_t x = 0; x < picture.width; ++x) {
      const bool inside = x > 0 && y > 0 && x + 1 < picture.width && y + 1 < picture.height;
      if (inside) continue;
      values.push_back(picture.pixels[static_cast<std::size_t>(
          (y * picture.width + x) * picture.channels + channel)]);
    }
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The middle of an RGB picture at a size: cut where it is larger, filled where it is smaller.
Image placed(const Image& picture, Size size) {
  if (Size{picture.width, picture.height} == size) return picture;
  Image out{size.width, size.height, 3, {}};
  out.pixels.reserve(static_cast<std::size_t>(size.width * size.height * 3));
  const std::array<uint8_t, 3> around = {border_median(picture, 0), border_median(picture, 1),
                                         border_median(picture, 2)};
  // Rounded down on either side, as Python's // does for what is not negative.
  const auto offset = [](int64_t own, int64_t wanted) {
    return own >= wanted ? (own - wanted) / 2 : -((wanted - own) / 2);
  };
  const int64_t left = offset(picture.width, size.width);
  const int64_t top = offset(picture.height, size.height);
  for (int64_t y = 0; y < size.height; ++y) {
    for (int64_t x = 0; x < size.width; ++x) {
      const int64_t u = x + left, v = y + top;
      const bool inside = u >= 0 && v >= 0 && u < picture.width && v < picture.height;
      const uint8_t* from =
          inside ? picture.pixels.data() + (v * picture.width + u) * 3 : around.data();
      out.pixels.insert(out.pixels.end(), from, from + 3);
    }
  }
  return out;
}

}  // namespace

const std::vector<PreprocessorInfo>& all_preprocessors() {
  static const std::vector<PreprocessorInfo> all = {
      {Preprocessor::kNone, "none", "none"},
      {Preprocessor::kCanny, "canny", "canny"},
      {Preprocessor::kThreshold, "threshold", "threshold"},
      {Preprocessor::kInvert, "invert", "invert (from white bg & black line)"},
      {Preprocessor::kTile, "tile", "tile_resample"},
      {Preprocessor::kBlur, "blur", "blur_gaussian"},
      {Preprocessor::kScribble, "scribble", "scribble_xdog"},
      {Preprocessor::kShuffle, "shuffle", "shuffle"}};
  return all;
}

const PreprocessorInfo& info_of(Preprocessor preprocessor) {
  return all_preprocessors().at(static_cast<std::size_t>(preprocessor));
}

Image preprocess(const Image& picture, Preprocessor preprocessor,
                 const PreprocessSettings& settings) {
  check_picture(picture, "picture to preprocess");
  const auto rgb = to_rgb(picture);
  switch (preprocessor) {
    case Preprocessor::kCanny:
      return canny(rgb, settings.low, settings.high);
    case Preprocessor::kThreshold:
      return brighter_than(rgb, settings.threshold);
    case Preprocessor::kInvert:
      return inverted(rgb);
    case Preprocessor::kTile:
      return resampled(rgb, settings.rate);
    case Preprocessor::kBlur:
      return gaussian_blur(rgb, settings.sigma);
    case Preprocessor::kScribble:
      return scribble(rgb, settings.lines);
    case Preprocessor::kShuffle:
      return shuffle(rgb, settings.seed, settings.cell);
    case Preprocessor::kNone:
      break;
  }
  return rgb;
}

Image control_picture(const Image& picture, Size size, ControlResize resize,
                      Preprocessor preprocessor, const PreprocessSettings& settings) {
  check_picture(picture, "control picture");
  const auto scaled = scaled_size(picture, size, resize);
  const bool grows = scaled.width > picture.width || scaled.height > picture.height;
  const auto shown = sd::resize(to_rgb(picture), scaled.width, scaled.height,
                                grows ? Filter::kLanczos : Filter::kBox);
  return placed(to_rgb(preprocess(shown, preprocessor, settings)), size);
}

}  // namespace sd
