#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sd/image/fit.h"
#include "sd/image/image.h"

namespace sd {

/// What makes of a picture the map that a ControlNet is shown, without a network.
enum class Preprocessor {
  kNone,
  kCanny,      // edges, as OpenCV's Canny finds them
  kThreshold,  // white where all channels are brighter
  kInvert,     // 255 minus every value
  kTile,       // shrunk and enlarged again
  kBlur,       // Gaussian, as OpenCV's GaussianBlur
  kScribble,   // lines by a difference of Gaussians (xDoG)
  kShuffle,    // its content warped by a random field
};

struct PreprocessorInfo {
  Preprocessor preprocessor;
  std::string_view name;   // as options spell it: "canny"
  std::string_view label;  // as sd-webui-controlnet calls it: "tile_resample"
};
const std::vector<PreprocessorInfo>& all_preprocessors();
const PreprocessorInfo& info_of(Preprocessor preprocessor);

struct PreprocessSettings {
  int64_t low = 100, high = 200;  // canny's thresholds
  int64_t threshold = 127;        // of kThreshold
  double rate = 2;                // of kTile: how many times smaller
  double sigma = 9;               // of kBlur, pixels
  int64_t lines = 32;             // of kScribble: less finds more
  uint64_t seed = 42;             // of kShuffle
  int64_t cell = 256;             // likewise: pixels between the field's random values
};

/// The map of a picture, as large as it: one channel for kCanny, kThreshold and kScribble, RGB for
/// the others. Alpha is composed over white first. Throws UsageError for settings out of range and
/// as resize().
Image preprocess(const Image& picture, Preprocessor preprocessor,
                 const PreprocessSettings& settings = {});

/// cv2.Canny(picture, low, high) to the pixel: Sobel 3x3 with replicated edges, |dx| + |dy| of the
/// channel where that is largest, thinned along the gradient, hysteresis over 8 neighbours. 255 or
/// 0, one channel. `picture` has 1 or 3.
Image canny(const Image& picture, int64_t low, int64_t high);

/// cv2.GaussianBlur(picture, (0, 0), sigma) of 8-bit values to the bit: a kernel of round(6σ + 1)|1
/// values in 1/256, edges mirrored without repeating them. Throws UsageError unless 0 < sigma <=
/// 1000.
Image gaussian_blur(const Image& picture, double sigma);

/// Lines of a picture, white on black: where 2·max(0, min over channels of (G₅ − G₀.₅)) >
/// threshold, with Gaussians in float32 (sd-webui-controlnet's scribble_xdog; its product of 8 bits
/// wraps from differences of 128 on, this one does not).
Image scribble(const Image& picture, int64_t threshold);

/// A picture remapped by two smooth random fields from 0 to 1, of x and of y (ControlNet's
/// ContentShuffleDetector): uniform numbers at every `cell` pixels, enlarged bicubically, stretched
/// to what they span. The numbers are SplitMix64's from `seed`, not NumPy's.
Image shuffle(const Image& picture, uint64_t seed, int64_t cell);

/// How a picture of another shape becomes a control net's, as in AUTOMATIC1111's web UI.
enum class ControlResize {
  kCrop,     // "Crop and Resize": covers, the middle counts
  kFill,     // "Resize and Fill": fits in, around it the median of its border
  kStretch,  // "Just Resize"
};

/// A picture, with a preprocessor run at the size at which it is shown, as one of `size`. Enlarged
/// by Lanczos, shrunk by area. RGB.
Image control_picture(const Image& picture, Size size, ControlResize resize,
                      Preprocessor preprocessor, const PreprocessSettings& settings = {});

}  // namespace sd
