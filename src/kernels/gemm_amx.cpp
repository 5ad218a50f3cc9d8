// AMX: tiles of 16 rows by 64 bytes. A panel of pairs is laid out as AVX512-BF16 takes it, which is
// what TDPBF16PS takes too: 16 pairs deep, 16 columns wide, twice side by side.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/amx_tiles.h"
#include "kernels/gemm_tables.h"
#include "kernels/rounding.h"

namespace sd::kernels {
namespace {

constexpr int kRows = 32, kColumns = 32;

/// Rows 0–15 are sums 0 and 1, rows 16–31 sums 2 and 3; 4 and 5 hold rows of A, 6 and 7 columns.
template <int R>
void multiply_tiles(const TileCall& call) {
  constexpr int kUpper = std::min(R, 16), kLower = R - kUpper;
  constexpr bool kTwo = kLower > 0;
  constexpr int kSumStride = kColumns * 4;
  alignas(64) float sums[kRows * kColumns];
  alignas(64) static const float zeros[kRows * kColumns] = {};
  if (call.accumulate) {
    for (int r = 0; r < R; ++r) {
      std::memcpy(sums + r * kColumns, call.c + r * call.c_stride, kSumStride);
    }
  }
  const float* start = call.accumulate ? sums : zeros;
  const auto* b = static_cast<const uint16_t*>(call.b);
  // As even as can be: a new shape costs as much as two pieces.
  const int64_t piece = divided_up(call.depth, divided_up(call.depth, kAmxPairs));
  TileShape shape(kUpper, kLower, static_cast<int>(piece));
  load_shape(shape);
  _tile_loadd(0, start, kSumStride);
  _tile_loadd(1, start + 16, kSumStride);
  if constexpr (kTwo) {
    _tile_loadd(2, start + 16 * kColumns, kSumStride);
    _tile_loadd(3, start + 16 * kColumns + 16, kSumStride);
  }
  for (int64_t tap = 0; tap < call.taps; ++tap) {
    const char* a = static_cast<const char*>(call.a) +
                    (call.tap_offsets != nullptr ? call.tap_offsets[tap] : 0);
    for (int64_t left = call.depth; left > 0; left -= piece) {
      const int pairs = static_cast<int>(std::min(left, piece));
      if (pairs != shape.pairs()) {
        // Sums would be lost with the old shape: they go through memory.
        store_sums<kTwo>(sums, kSumStride);
        shape = TileShape(kUpper, kLower, pairs);
        load_shape(shape);
        load_sums<kTwo>(sums, kSumStride);
      }
      _tile_loadd(6, b, kColumns * 4);
      _tile_loadd(7, b + 32, kColumns * 4);
      _tile_loadd(4, a, call.a_stride);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (kTwo) {
        _tile_loadd(5, a + 16 * call.a_stride, call.a_stride);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      a += pairs * 4;
      b += pairs * kColumns * 2;
    }
  }
  store_sums<kTwo>(sums, kSumStride);
  _tile_release();
  for (int r = 0; r < R; ++r) {
    std::memcpy(call.c + r * call.c_stride, sums + r * kColumns, kSumStride);
  }
}

template <int... kRow>
GemmMicro make_tiles(std::integer_sequence<int, kRow...>) {
  GemmMicro micro{kRows, kColumns, 2, {}};
  ((micro.multiply[kRow + 1] = &multiply_tiles<kRow + 1>), ...);
  return micro;
}

}  // namespace

GemmMicro gemm_amx_pairs() { return make_tiles(std::make_integer_sequence<int, kRows>()); }

}  // namespace sd::kernels
