#pragma once

#include <cstdint>
#include <vector>

#include "sd/image/image.h"
#include "trainer/picture_reading.h"

namespace sd::train {

/// Which pixels of a picture count, row by row.
using PixelMask = std::vector<uint8_t>;

/// The pixels of a picture of width × height outside all boxes, which are widened by `margin`.
PixelMask outside_of(const std::vector<PixelBox>& boxes, double margin, int64_t width,
                     int64_t height);

/// The box of a mask's pixels above `least` [width·height]; empty where there are none.
PixelBox box_of(const std::vector<uint8_t>& mask, int64_t width, int64_t least = 0);

/// How near two RGB pictures of one size are, over the pixels that count.
struct Nearness {
  double mse = 0;   // of values in [0,1]
  double psnr = 0;  // dB; of equal pictures kMostPsnr
  double ssim = 0;  // Wang et al. 2004, window of 11 pixels with σ 1.5, mirrored at the borders
  static constexpr double kMostPsnr = 100;
};

/// Throws UsageError for pictures of other sizes, and where no pixel counts.
Nearness nearness(const Image& a, const Image& b, const PixelMask& counts);

/// A mean and its standard error.
class Mean {
 public:
  void add(double value);
  int64_t count() const { return count_; }
  double value() const { return mean_; }
  double error() const;

 private:
  int64_t count_ = 0;
  double mean_ = 0, squares_ = 0;  // Welford's sum of squared differences
};

}  // namespace sd::train
