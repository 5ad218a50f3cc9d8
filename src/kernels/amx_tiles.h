// AMX's tile registers. Only files that are compiled for AMX include this.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace sd::kernels {

constexpr int kAmxPairs = 16;  // pairs of bf16 in a tile's row of 64 bytes

/// What LDTILECFG reads (Intel's manual, volume 1, chapter 18): palette 1, bytes a row and rows of
/// each tile. Tiles 0 to 3 are sums, 4 and 5 rows of A, 6 and 7 columns of B.
class TileShape {
 public:
  TileShape(int upper, int lower, int pairs) {
    palette_ = 1;
    const int second = lower > 0 ? lower : upper;
    const int rows[8] = {upper, upper, second, second, upper, second, pairs, pairs};
    for (int tile = 0; tile < 8; ++tile) {
      rows_[tile] = static_cast<uint8_t>(rows[tile]);
      bytes_[tile] = static_cast<uint16_t>(tile == 4 || tile == 5 ? 4 * pairs : 64);
    }
  }
  int pairs() const { return rows_[6]; }

 private:
  uint8_t palette_ = 0;
  [[maybe_unused]] uint8_t start_row_ = 0, reserved_[14] = {};
  uint16_t bytes_[16] = {};
  uint8_t rows_[16] = {};
};
static_assert(sizeof(TileShape) == 64);

inline __attribute__((always_inline)) void load_shape(const TileShape& shape) {
  _tile_loadconfig(&shape);
}

template <bool kTwo>
inline __attribute__((always_inline)) void store_sums(float* sums, int64_t stride) {
  _tile_stored(0, sums, stride);
  _tile_stored(1, sums + 16, stride);
  if constexpr (kTwo) {
    _tile_stored(2, sums + 16 * 32, stride);
    _tile_stored(3, sums + 16 * 32 + 16, stride);
  }
}

template <bool kTwo>
inline __attribute__((always_inline)) void load_sums(const float* sums, int64_t stride) {
  _tile_loadd(0, sums, stride);
  _tile_loadd(1, sums + 16, stride);
  if constexpr (kTwo) {
    _tile_loadd(2, sums + 16 * 32, stride);
    _tile_loadd(3, sums + 16 * 32 + 16, stride);
  }
}

}  // namespace sd::kernels
