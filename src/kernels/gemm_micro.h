#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace sd::kernels {

/// One call of a micro-kernel: C (+)= A B, where A has up to `rows` rows and B is one packed panel.
struct TileCall {
  const void* a;               // first row; rows are contiguous
  int64_t a_stride;            // bytes from row to row
  const int64_t* tap_offsets;  // bytes that are added to `a` for each tap; null for one tap of 0
  int64_t taps;                // a convolution's k·k shifted products; 1 for a matrix
  int64_t depth;               // steps a tap: elements of a row over GemmMicro::depth
  const void* b;               // [taps][depth][columns][GemmMicro::depth]
  float* c;                    // [rows][columns] float32
  int64_t c_stride;            // elements from row to row
  bool accumulate;             // false: what c holds is not read
};

/// A micro-kernel and the shape of what it takes.
struct GemmMicro {
  static constexpr int kMostRows = 32;
  int rows;     // at most, per call
  int columns;  // of a panel, always all
  int depth;    // elements along the sum that lie side by side in a panel: 1, or 2 for bf16 pairs
  std::array<void (*)(const TileCall&), kMostRows + 1> multiply;  // by the number of rows; [0] null
};

}  // namespace sd::kernels
