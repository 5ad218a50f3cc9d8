#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sd/image/image.h"

namespace sd {

// Maps are [h*w] values, rows top to bottom. Values that are not finite count as 0 throughout, so
// that one overflow in half precision spoils a pixel and not the picture.

enum class Colormap {
  kTurbo,  // A. Mikhailov, Google (2019), by its published polynomial of degree 5
  kJet,    // Matplotlib's piecewise linear jet, which DAAM draws with
  kGrey,
};

/// Maps values in 0..1 to colour (clamped outside): RGB, or one channel for kGrey. Throws
/// UsageError if h * w is not the map's size.
Image colorize(std::span<const float> map, int64_t h, int64_t w, Colormap colormap);

/// (1 - alpha) * picture + alpha * heat as RGB, alpha in 0..1; the fork draws with 0.7. Throws
/// UsageError if the sizes differ or alpha is out of range.
Image overlay(const Image& picture, const Image& heat, double alpha);

/// A mask: 255 where map > threshold, else 0, one channel.
Image threshold_mask(std::span<const float> map, int64_t h, int64_t w, double threshold);

/// (map - min) / (max - min); zeros if all values are equal.
std::vector<float> minmax(std::span<const float> map);

/// map / max, as the fork does it; zeros if no value is positive.
std::vector<float> by_maximum(std::span<const float> map);

struct MapStatistics {
  double min = 0;
  double max = 0;
  double mean = 0;
  /// Mean position weighted by the positive values, as a fraction of the width from the left and of
  /// the height from the top; the middle if no value is positive.
  double centroid_x = 0.5;
  double centroid_y = 0.5;
};

/// Throws UsageError if h * w is not the map's size.
MapStatistics map_statistics(std::span<const float> map, int64_t h, int64_t w);

/// The fraction of values above `threshold`, 0..1; 0 for an empty map.
double area_above(std::span<const float> map, double threshold);

/// Intersection over union of two grey masks of one size, of which values from 128 are inside; 1 if
/// both are empty. Throws UsageError if they are not grey or sizes differ.
double iou(const Image& a, const Image& b);

/// IoU with `mask` of as many of the map's largest values as the mask has pixels inside: how well a
/// map points at an object, whatever its scale. Of equal values the first ones in reading order are
/// taken. The map has the mask's size (see resize_map). Throws UsageError as iou().
double area_matched_iou(std::span<const float> map, const Image& mask);

}  // namespace sd
