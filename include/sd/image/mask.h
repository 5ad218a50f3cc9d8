#pragma once

#include <cstdint>
#include <vector>

#include "sd/core/share_box.h"
#include "sd/image/fit.h"
#include "sd/image/image.h"
#include "sd/image/resize.h"

namespace sd {

// Masks are grey pictures: 255 (white) is edited, 0 (black) is kept, between is blended.

/// What of a picture is taken as the mask.
enum class MaskSource {
  kLuminance,  // it has no alpha channel, or one that is opaque everywhere
  kPainted,    // alpha: one colour painted on nothing, white where it is opaque
  kErased,     // alpha turned around: a picture with holes, white where nothing is left
};

struct FittedMask {
  Image mask;            // one channel
  bool resized = false;  // its size differed: worth a word to the user
  MaskSource source = MaskSource::kLuminance;
  uint8_t brightest = 0;  // before it was resized: hardly any white is worth a word too
};

/// A picture as mask of a picture of `size`: as MaskSource says, then resized if need be. kBilinear
/// keeps values between the mask's own; kBicubic and kLanczos overshoot. Throws UsageError as
/// resize().
FittedMask fit_mask(const Image& mask, Size size, Filter filter = Filter::kBilinear);

/// 255 minus every value. Throws UsageError if `mask` is not grey.
Image invert_mask(const Image& mask);

/// Every pixel gets the largest value within `radius` pixels of it: white areas become wider by so
/// much, in all directions. A negative radius makes them narrower: the smallest value within as
/// many pixels, none of which lies outside the picture. 0 changes nothing. Throws UsageError if
/// `mask` is not grey or radius is not -1000 to 1000.
Image grow_mask(const Image& mask, double radius);

/// Gaussian blur with standard deviation `radius` in pixels (what PIL calls radius), cut at 4
/// deviations, edges replicated; 0 changes nothing. Throws UsageError if `mask` is not grey or
/// radius is not 0 to 1000.
Image blur_mask(const Image& mask, double radius);

/// White inside of a box, grey by its share of a pixel that it cuts, black elsewhere. Throws
/// UsageError unless 0 <= x0 < x1 <= 1 and likewise y, or for a size that no picture has.
Image box_mask(const ShareBox& box, Size size);

enum class MaskReduction {
  kBox,      // mean of the pixels that a latent covers: soft at edges
  kNearest,  // the pixel in a latent's centre, as PIL's NEAREST picks it: values of the mask only
};

/// `mask` reduced to latents, [h*w] in 0..1, rows top to bottom. Throws UsageError if `mask` is not
/// grey or h * w is not 1 to kMaxPixels.
std::vector<float> latent_mask(const Image& mask, int64_t h, int64_t w, MaskReduction reduction);

/// `edited` where mask is 255, the exact bytes of `original` where it is 0, blended between,
/// rounded to the nearest value. Throws UsageError if sizes differ, channels of the pictures
/// differ, or `mask` is not grey.
Image paste_outside(const Image& edited, const Image& original, const Image& mask);

}  // namespace sd
