// How convolutions are cut into tasks, shared by their algorithms.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/convolution.h"
#include "kernels/convolution_steps.h"
#include "kernels/rounding.h"

namespace sd::kernels {

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

/// The part `index` of `total` cut into `parts` that differ by one at most.
inline Range part_of(int64_t total, int64_t parts, int64_t index) {
  return {total * index / parts, total * (index + 1) / parts};
}

/// What one task makes: of these images a rectangle, in pixels or, with Winograd, in tiles of the
/// output, and of it the columns of these panels.
struct ConvBlock {
  Range images, rows, columns, panels;
  int64_t units() const { return images.size() * rows.size() * columns.size(); }
};

/// How sums of one panel become the output's pixels from (x, y) on; all but sums and their rows.
FinishCall finish_call(const ConvCall& call, int64_t image, int64_t y, int64_t x, int64_t panel);

/// Copies pixels [begin, begin + count) of the input's row y, as the kernel sees them, and channels
/// from `channel` on.
void copy_input_row(const ConvCall& call, int64_t image, int64_t y, Range pixels, Range channels,
                    bool to_bf16, void* to, int64_t to_stride);

void convolve_directly(const ConvCall& call, const ConvBlock& block);
void convolve_by_tiles(const ConvCall& call, const ConvBlock& block);

}  // namespace sd::kernels
