#pragma once

#include <cstdint>

#include "kernels/packed_weights.h"

namespace sd::kernels {

/// A convolution and what comes before and behind it. Pictures are channels-last:
/// [images][height][width][channels], all of one type, float32 or bf16. Sums are float32.
struct ConvCall {
  const PackedWeights* weights =
      nullptr;  // kernel · kernel taps; its depth is the input's channels
  int64_t kernel = 3, stride = 1;
  int64_t pad_before = 1, pad_after = 1;  // zeros above and to the left, below and to the right
  /// So many rows are left out of the input with its zeros above and below: what is computed is a
  /// band of the output. Below 0: rows of zeros beside.
  int64_t cut_above = 0, cut_below = 0;

  const void* input = nullptr;
  int64_t images = 1, height = 1, width = 1;  // as the input lies in memory; none is 0
  bool bf16 = false;                          // of input, residual and output; else float32
  bool upsampled = false;                     // each pixel is read as 2 × 2 of itself

  /// x · scale + shift, [images][channels], as x is read; both null for x itself. Then x ·
  /// sigmoid(x). Padding stays zero.
  const float* scale = nullptr;
  const float* shift = nullptr;
  bool silu = false;

  /// As packed_bias makes it, for each image; `bias_stride` elements apart, 0 where all have the
  /// same. May be null.
  const float* bias = nullptr;
  int64_t bias_stride = 0;
  const void* residual = nullptr;  // of the output's shape, added last; may be null or the output
  void* output = nullptr;          // must not overlap the input

  /// Only sums of products of what was read: no Winograd, whose sums are the same in real numbers.
  bool exact = false;
  int threads = 1;  // for how many the work is cut; does not change a bit of what comes out
};

/// How a convolution is computed.
enum class ConvAlgorithm { kDirect, kWinograd4 };

/// Whether an algorithm is made for this kernel, stride and weights. The direct way always is.
bool conv_can(const ConvCall& call, ConvAlgorithm algorithm);

/// What is fastest. It depends on one image and the layer alone, not on how many images there are,
/// and so do the orders of all sums: an image's output is the same in any batch.
ConvAlgorithm conv_algorithm(const ConvCall& call);

/// A convolution cut into tasks that do not depend on each other: any thread may run each, in any
/// order. What the call points to must stay until all have run.
class ConvPlan {
 public:
  explicit ConvPlan(const ConvCall& call) : ConvPlan(call, conv_algorithm(call)) {}
  /// With an algorithm that conv_can allows.
  ConvPlan(const ConvCall& call, ConvAlgorithm algorithm);

  int64_t output_height() const { return output_height_; }
  int64_t output_width() const { return output_width_; }
  ConvAlgorithm algorithm() const { return algorithm_; }
  int64_t tasks() const { return parts_.blocks() * parts_.panels; }
  /// 0 ≤ task < tasks(). Takes its memory from thread_scratch.
  void run(int64_t task) const;

 private:
  /// Into how many the work is cut along each side.
  struct Parts {
    int64_t images = 1, rows = 1, columns = 1, panels = 1;
    int64_t blocks() const { return images * rows * columns; }
  };
  /// Blocks of so many pixels or tiles at most, whose sums are no more than that.
  Parts cut(int64_t most_units, int64_t most_width, int64_t most_sums) const;

  ConvCall call_;
  ConvAlgorithm algorithm_;
  int64_t output_height_ = 0, output_width_ = 0;
  int64_t rows_ = 0, columns_ = 0;  // of the output, in tiles with Winograd
  Parts parts_;
};

int64_t conv_output_height(const ConvCall& call);
int64_t conv_output_width(const ConvCall& call);

}  // namespace sd::kernels
