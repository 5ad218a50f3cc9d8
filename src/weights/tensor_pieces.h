#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sd/weights/tensor_source.h"

namespace sd {

/// f64, f32, f16 or bf16.
bool is_floating(DType dtype);

/// A tensor's elements in C order, piece by piece, converted between floating-point dtypes with
/// rounding to nearest even. Pages of the file behind are given back as soon as they were read, so
/// a walk through a whole checkpoint keeps a few megabytes.
class TensorPieces {
 public:
  /// Throws CheckpointError if `dtype` is another one than the view's and either is not floating.
  TensorPieces(TensorView view, DType dtype);

  /// The next bytes, which stay valid until the next call; empty after the last.
  std::span<const std::byte> next();

  /// The first finite value so far that became infinite.
  std::optional<double> overflow() const { return overflow_; }

 private:
  std::span<const std::byte> contiguous(int64_t count);
  std::span<const std::byte> gathered(int64_t count);
  std::span<const std::byte> convert(std::span<const std::byte> from);

  TensorView view_;
  DType dtype_;
  int64_t elements_ = 0;
  int64_t done_ = 0;
  std::vector<int64_t> index_;       // of the next element, where the view has strides
  std::span<const std::byte> read_;  // of the mapping, by the last piece
  std::vector<std::byte> gathered_, converted_;
  std::optional<double> overflow_;
};

}  // namespace sd
