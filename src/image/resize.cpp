#include "sd/image/resize.h"

#include <fmt/format.h>

#include <algorithm>

#include "image/checks.h"
#include "image/resample_weights.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

uint8_t to_byte(int64_t sum) {
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> kPrecisionBits, 0, 255));
}

/// Weights as two 16-bit halves: weight = high * 2^12 + low. Sums of 16-bit products run several
/// times faster than of 32-bit ones on any x86-64, and the result is the same integer.
struct SplitWeights {
  static constexpr int kLowBits = 12;
  std::vector<int16_t> high, low;

  explicit SplitWeights(const std::vector<int32_t>& weights) {
    high.reserve(weights.size());
    low.reserve(weights.size());
    for (const int32_t weight : weights) {
      // |weight| <= 2 * 2^22, so the high half has at most 12 bits.
      high.push_back(static_cast<int16_t>(weight >> kLowBits));
      low.push_back(static_cast<int16_t>(weight & ((1 << kLowBits) - 1)));
    }
  }
};

/// The sum of one window of one channel, in pieces whose 32-bit sums cannot overflow:
/// 2048 * 255 * 2^12 < 2^31.
int64_t window_sum(const int16_t* samples, const int16_t* high, const int16_t* low, int64_t count) {
  constexpr int64_t kPiece = 2048;
  int64_t sum = 0;
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    const int64_t end = std::min(begin + kPiece, count);
    int32_t high_sum = 0;
    int32_t low_sum = 0;
    for (int64_t k = begin; k < end; ++k) {
      high_sum += int32_t{samples[k]} * high[k];
      low_sum += int32_t{samples[k]} * low[k];
    }
    sum += int64_t{high_sum} * (1 << SplitWeights::kLowBits) + low_sum;
  }
  return sum;
}

/// One row of one channel, to bytes `stride` apart.
void resample_row(const std::vector<int16_t>& row, const ResampleWeights& axis,
                  const SplitWeights& weights, uint8_t* out, int64_t stride) {
  for (const auto& [first, count, at] : axis.windows) {
    *out = to_byte(
        window_sum(row.data() + first, weights.high.data() + at, weights.low.data() + at, count) +
        kHalf);
    out += stride;
  }
}

Image resize_rows(const Image& image, int64_t width, Filter filter) {
  const auto axis = resample_weights(image.width, width, filter);
  const SplitWeights weights(axis.weights);
  Image out{width, image.height, image.channels, {}};
  out.pixels.resize(static_cast<std::size_t>(out.width * out.height * out.channels));
  std::vector<int16_t> row(static_cast<std::size_t>(image.width));
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t c = 0; c < image.channels; ++c) {
      const uint8_t* samples = image.pixels.data() + y * image.width * image.channels + c;
      for (auto& sample : row) {
        sample = *samples;
        samples += image.channels;
      }
      resample_row(row, axis, weights, out.pixels.data() + y * width * image.channels + c,
                   image.channels);
    }
  }
  return out;
}

Image resize_columns(const Image& image, int64_t height, Filter filter) {
  const auto axis = resample_weights(image.height, height, filter);
  Image out{image.width, height, image.channels, {}};
  out.pixels.resize(static_cast<std::size_t>(out.width * out.height * out.channels));
  const int64_t row_bytes = image.width * image.channels;
  std::vector<int32_t> sums(static_cast<std::size_t>(row_bytes));
  auto target = out.pixels.begin();
  for (const auto& window : axis.windows) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int64_t k = 0; k < window.count; ++k) {
      const uint8_t* row = image.pixels.data() + (window.first + k) * row_bytes;
      const int32_t weight = axis.weights[static_cast<std::size_t>(window.weights + k)];
      for (int64_t x = 0; x < row_bytes; ++x) sums[static_cast<std::size_t>(x)] += row[x] * weight;
    }
    target = std::transform(sums.begin(), sums.end(), target, to_byte);
  }
  return out;
}

/// Pillow's "RGBa": colours times alpha / 255, rounded.
Image premultiplied(Image image) {
  for (auto pixel = image.pixels.begin(); pixel != image.pixels.end(); pixel += 4) {
    for (int c = 0; c < 3; ++c) {
      const int product = pixel[c] * pixel[3] + 128;
      pixel[c] = static_cast<uint8_t>((product + (product >> 8)) >> 8);
    }
  }
  return image;
}

/// The way back; the filter may leave a colour above its alpha.
Image unpremultiplied(Image image) {
  for (auto pixel = image.pixels.begin(); pixel != image.pixels.end(); pixel += 4) {
    const int alpha = pixel[3];
    if (alpha == 0 || alpha == 255) continue;
    for (int c = 0; c < 3; ++c)
      pixel[c] = static_cast<uint8_t>(std::min(255 * pixel[c] / alpha, 255));
  }
  return image;
}

void check_side(int64_t side, std::string_view what) {
  if (side <= kMaxSide) return;
  throw UsageError(fmt::format("{}: a side of {} pixels is too long to resize, the limit is {}",
                               what, side, kMaxSide));
}

/// Which pass comes first shows, as the step between them is rounded to bytes. Up to Pillow 12 the
/// rows always did; since 13 the columns do if the height loses over twice the pixels that the
/// width does (https://github.com/python-pillow/Pillow/pull/9549). So that step is never larger
/// than both the source and the result.
bool columns_first(const Image& image, int64_t width, int64_t height) {
  const int64_t loss = image.height - height;
  return loss > 0 && loss > 2 * (image.width - width);
}

Image resize_channels(const Image& image, int64_t width, int64_t height, Filter filter) {
  if (width == image.width) return resize_columns(image, height, filter);
  if (height == image.height) return resize_rows(image, width, filter);
  if (columns_first(image, width, height)) {
    return resize_rows(resize_columns(image, height, filter), width, filter);
  }
  return resize_columns(resize_rows(image, width, filter), height, filter);
}

}  // namespace

Image resize(const Image& image, int64_t width, int64_t height, Filter filter) {
  check_picture(image, "picture to resize");
  check_size(width, height, "size to resize to");
  for (const int64_t side : {image.width, image.height}) check_side(side, "picture to resize");
  for (const int64_t side : {width, height}) check_side(side, "size to resize to");
  if (width == image.width && height == image.height) return image;
  if (image.channels != 4) return resize_channels(image, width, height, filter);
  return unpremultiplied(resize_channels(premultiplied(image), width, height, filter));
}

}  // namespace sd
