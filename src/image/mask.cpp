#include "sd/image/mask.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <span>
#include <utility>

#include "image/checks.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// Weights of offsets -r to r, summing to 1.
std::vector<float> gaussian(double sigma) {
  const auto reach = static_cast<int64_t>(std::ceil(4 * sigma));  // beyond: under 1/1000 of a level
  std::vector<double> weights;
  double sum = 0;
  for (int64_t i = -reach; i <= reach; ++i) {
    const double x = static_cast<double>(i) / sigma;
    weights.push_back(std::exp(-0.5 * x * x));
    sum += weights.back();
  }
  std::vector<float> kernel;
  for (const double weight : weights) kernel.push_back(static_cast<float>(weight / sum));
  return kernel;
}

/// `line` convolved with `kernel`, in place; `padded` is scratch.
void blur_line(std::vector<float>& line, const std::vector<float>& kernel,
               std::vector<float>& padded) {
  const std::size_t reach = kernel.size() / 2;
  padded.assign(reach, line.front());
  padded.insert(padded.end(), line.begin(), line.end());
  padded.insert(padded.end(), reach, line.back());
  std::fill(line.begin(), line.end(), 0.0F);
  for (std::size_t k = 0; k < kernel.size(); ++k) {
    for (std::size_t i = 0; i < line.size(); ++i) line[i] += kernel[k] * padded[i + k];
  }
}

/// The largest of the values from i − reach to i + reach, for each i of `line`.
void widen_line(std::span<const uint8_t> line, std::size_t reach, std::vector<std::size_t>& queue,
                std::vector<uint8_t>& widest) {
  // Indices of falling values: the first of them is the window's largest (Lemire 2006).
  queue.clear();
  std::size_t first = 0;
  for (std::size_t i = 0; i < line.size() + reach; ++i) {
    if (i < line.size()) {
      while (queue.size() > first && line[queue.back()] <= line[i]) queue.pop_back();
      queue.push_back(i);
    }
    if (i < reach) continue;
    while (queue[first] + reach < i - reach) ++first;
    widest[i - reach] = line[queue[first]];
  }
}

std::vector<float> nearest(const Image& mask, int64_t h, int64_t w) {
  const auto source = [](int64_t i, int64_t in, int64_t out) {
    return (2 * i + 1) * in / (2 * out);
  };
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(h * w));
  for (int64_t y = 0; y < h; ++y) {
    const int64_t row = source(y, mask.height, h) * mask.width;
    for (int64_t x = 0; x < w; ++x) {
      const int64_t at = row + source(x, mask.width, w);
      values.push_back(static_cast<float>(mask.pixels[static_cast<std::size_t>(at)]) / 255);
    }
  }
  return values;
}

/// The middle value of a channel of `count` pixels.
int middle(const std::array<int64_t, 256>& counts, int64_t count) {
  int value = 0;
  for (int64_t seen = counts[0]; 2 * seen < count;
       seen += counts[static_cast<std::size_t>(value)]) {
    ++value;
  }
  return value;
}

/// Whether what is drawn has one colour: pixels about as opaque as the most opaque one. Edges of a
/// brush and lossy files move a part of them a few levels (measured with WebP, quality 60: 6 % by
/// more than 8, 0.1 % by more than 24); a picture does not stay within that.
bool has_one_colour(const Image& image, int most_opaque) {
  constexpr int kNear = 8, kFar = 24;
  constexpr int64_t kSomeOf = 10, kFewOf = 200;  // one pixel in so many may be beyond
  std::array<std::array<int64_t, 256>, 3> counts{};
  int64_t drawn = 0;
  const auto each_drawn = [&](const auto& visit) {
    for (auto pixel = image.pixels.begin(); pixel != image.pixels.end(); pixel += 4) {
      if (pixel[3] > 0 && 8 * pixel[3] >= 7 * most_opaque) visit(pixel);
    }
  };
  each_drawn([&](auto pixel) {
    ++drawn;
    for (std::size_t c = 0; c < 3; ++c) ++counts[c][pixel[static_cast<std::ptrdiff_t>(c)]];
  });
  std::array<int, 3> colour{};
  for (std::size_t c = 0; c < 3; ++c) colour[c] = middle(counts[c], drawn);
  int64_t some = 0, few = 0;
  each_drawn([&](auto pixel) {
    int distance = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      distance = std::max(distance, std::abs(pixel[static_cast<std::ptrdiff_t>(c)] - colour[c]));
    }
    some += distance > kNear ? 1 : 0;
    few += distance > kFar ? 1 : 0;
  });
  return some * kSomeOf <= drawn && few * kFewOf <= drawn;
}

struct MaskValues {
  Image grey;
  MaskSource source = MaskSource::kLuminance;
};

MaskValues mask_values(const Image& picture) {
  check_picture(picture, "mask");
  if (picture.channels != 4) return {to_gray(picture), MaskSource::kLuminance};
  int least = 255, most = 0;
  for (std::size_t i = 3; i < picture.pixels.size(); i += 4) {
    least = std::min<int>(least, picture.pixels[i]);
    most = std::max<int>(most, picture.pixels[i]);
  }
  if (least == 255) return {to_gray(picture), MaskSource::kLuminance};
  const bool painted = has_one_colour(picture, most);
  Image alpha{picture.width, picture.height, 1, {}};
  alpha.pixels.reserve(picture.pixels.size() / 4);
  for (std::size_t i = 3; i < picture.pixels.size(); i += 4) {
    alpha.pixels.push_back(painted ? picture.pixels[i]
                                   : static_cast<uint8_t>(255 - picture.pixels[i]));
  }
  return {std::move(alpha), painted ? MaskSource::kPainted : MaskSource::kErased};
}

std::string size_text(const Image& image) {
  return fmt::format("{} x {} pixels", image.width, image.height);
}

}  // namespace

FittedMask fit_mask(const Image& mask, Size size, Filter filter) {
  auto [grey, source] = mask_values(mask);
  FittedMask fitted;
  fitted.source = source;
  fitted.brightest = *std::ranges::max_element(grey.pixels);
  fitted.resized = Size{grey.width, grey.height} != size;
  fitted.mask = fitted.resized ? resize(grey, size.width, size.height, filter) : std::move(grey);
  return fitted;
}

Image invert_mask(const Image& mask) {
  check_grey(mask, "mask to invert");
  auto inverted = mask;
  for (auto& value : inverted.pixels) value = static_cast<uint8_t>(255 - value);
  return inverted;
}

Image grow_mask(const Image& mask, double radius) {
  check_grey(mask, "mask to widen");
  if (!(radius >= -1000 && radius <= 1000)) {
    throw UsageError(fmt::format("a mask can grow by -1000 to 1000 pixels, not {}", radius));
  }
  if (radius < 0) return invert_mask(grow_mask(invert_mask(mask), -radius));
  if (radius < 1) return mask;
  auto grown = mask;
  std::vector<uint8_t> widest(static_cast<std::size_t>(mask.width));
  std::vector<std::size_t> queue;
  const auto rows = static_cast<int64_t>(radius);
  for (int64_t dy = -rows; dy <= rows; ++dy) {
    const auto apart = static_cast<double>(dy);
    const auto reach = static_cast<std::size_t>(std::sqrt(radius * radius - apart * apart));
    for (int64_t y = std::max<int64_t>(0, -dy); y < std::min(mask.height, mask.height - dy); ++y) {
      const auto line = std::span(mask.pixels)
                            .subspan(static_cast<std::size_t>((y + dy) * mask.width),
                                     static_cast<std::size_t>(mask.width));
      widen_line(line, std::min(reach, line.size()), queue, widest);
      const auto to = grown.pixels.begin() + y * mask.width;
      std::transform(widest.begin(), widest.end(), to, to,
                     [](uint8_t a, uint8_t b) { return std::max(a, b); });
    }
  }
  return grown;
}

Image blur_mask(const Image& mask, double radius) {
  check_grey(mask, "mask to blur");
  if (!(radius >= 0 && radius <= 1000)) {
    throw UsageError(fmt::format("the blur of a mask must be 0 to 1000 pixels, not {}", radius));
  }
  if (radius == 0) return mask;
  const auto kernel = gaussian(radius);
  std::vector<float> values(mask.pixels.begin(), mask.pixels.end());
  std::vector<float> line(static_cast<std::size_t>(mask.width));
  std::vector<float> padded;
  for (auto row = values.begin(); row != values.end(); row += mask.width) {
    std::copy(row, row + mask.width, line.begin());
    blur_line(line, kernel, padded);
    std::copy(line.begin(), line.end(), row);
  }
  line.resize(static_cast<std::size_t>(mask.height));
  auto blurred = mask;
  for (int64_t x = 0; x < mask.width; ++x) {
    for (int64_t y = 0; y < mask.height; ++y) {
      line[static_cast<std::size_t>(y)] = values[static_cast<std::size_t>(y * mask.width + x)];
    }
    blur_line(line, kernel, padded);
    for (int64_t y = 0; y < mask.height; ++y) {
      const float value = std::clamp(line[static_cast<std::size_t>(y)], 0.0F, 255.0F);
      blurred.pixels[static_cast<std::size_t>(y * mask.width + x)] =
          static_cast<uint8_t>(std::lround(value));
    }
  }
  return blurred;
}

Image box_mask(const ShareBox& box, Size size) {
  const auto [x0, y0, x1, y1] = box;
  if (!(x0 >= 0 && x0 < x1 && x1 <= 1 && y0 >= 0 && y0 < y1 && y1 <= 1)) {
    throw UsageError(fmt::format(
        "the box {},{},{},{} lies outside of the picture or is empty; expected shares of it, 0 <= "
        "x0 < x1 <= 1 and 0 <= y0 < y1 <= 1",
        x0, y0, x1, y1));
  }
  check_size(size.width, size.height, "mask of a box");
  const auto covered = [](double from, double to, int64_t side) {
    std::vector<double> shares;
    for (int64_t i = 0; i < side; ++i) {
      const auto begin = static_cast<double>(i), pixels = static_cast<double>(side);
      shares.push_back(
          std::max(std::min(to * pixels, begin + 1) - std::max(from * pixels, begin), 0.0));
    }
    return shares;
  };
  const auto columns = covered(x0, x1, size.width), rows = covered(y0, y1, size.height);
  Image mask{size.width, size.height, 1, {}};
  for (const double row : rows) {
    for (const double column : columns) {
      mask.pixels.push_back(static_cast<uint8_t>(std::lround(255 * row * column)));
    }
  }
  return mask;
}

std::vector<float> latent_mask(const Image& mask, int64_t h, int64_t w, MaskReduction reduction) {
  check_grey(mask, "mask to reduce");
  check_size(w, h, "latent mask");
  if (reduction == MaskReduction::kNearest) return nearest(mask, h, w);
  const std::vector<float> values(mask.pixels.begin(), mask.pixels.end());
  auto latents = resize_map(values, mask.height, mask.width, h, w, Filter::kBox);
  for (auto& value : latents) value /= 255;
  return latents;
}

Image paste_outside(const Image& edited, const Image& original, const Image& mask) {
  check_picture(edited, "edited picture");
  check_picture(original, "original picture");
  check_grey(mask, "mask to paste by");
  if (edited.channels != original.channels) {
    throw UsageError(fmt::format("the edited picture has {} channels, the original {}",
                                 edited.channels, original.channels));
  }
  for (const auto* other : {&original, &mask}) {
    if (other->width == edited.width && other->height == edited.height) continue;
    throw UsageError(fmt::format("the edited picture has {}, the {} {}", size_text(edited),
                                 other == &mask ? "mask" : "original", size_text(*other)));
  }
  auto pasted = original;
  auto pixel = pasted.pixels.begin();
  auto replacement = edited.pixels.begin();
  for (const int weight : mask.pixels) {
    for (int64_t c = 0; c < edited.channels; ++c, ++pixel, ++replacement) {
      const int blend = *replacement * weight + *pixel * (255 - weight);
      *pixel = static_cast<uint8_t>((blend + 127) / 255);
    }
  }
  return pasted;
}

}  // namespace sd
