// The transforms of Winograd's F(4×4, 3×3). Included by one file for each instruction set.
#pragma once

#include "kernels/convolution_rows.h"

namespace sd::kernels {

// The points: ±a and ±b beside 0 and ∞ (convolution_steps.h says why).
constexpr float kTileA = 0.625F, kTileB = 1.5F;
constexpr float kTileA2 = kTileA * kTileA, kTileB2 = kTileB * kTileB;

/// Two rows of Bᵀ d for a pair of points ±p, where q is the other pair's: d₄ − q² d₂ ± p (d₃ − q²
/// d₁).
template <class I>
SD_VEC void transform_pair(typename I::V d1, typename I::V d2, typename I::V d3, typename I::V d4,
                           float p, float q2, typename I::V& plus, typename I::V& minus) {
  const auto minus_q2 = I::set(-q2);
  const auto even = I::fma(minus_q2, d2, d4);
  const auto odd = I::fma(minus_q2, d1, d3);
  plus = I::fma(I::set(p), odd, even);
  minus = I::fma(I::set(-p), odd, even);
}

/// a² b² d₀ − (a² + b²) d₂ + d₄: the row of 0, and of ∞ with all indices one higher.
template <class I>
SD_VEC typename I::V transform_end(typename I::V d0, typename I::V d2, typename I::V d4) {
  return I::fma(I::set(kTileA2 * kTileB2), d0, I::fma(I::set(-(kTileA2 + kTileB2)), d2, d4));
}

/// One row of Bᵀ d B from one of Bᵀ d, written to its six positions.
template <class I>
SD_VEC void store_tile_row(const TileInputsCall& call, float* to, int row,
                           const typename I::V (&d)[kTileInput]) {
  typename I::V v[kTileInput];
  v[0] = transform_end<I>(d[0], d[2], d[4]);
  transform_pair<I>(d[1], d[2], d[3], d[4], kTileA, kTileB2, v[1], v[2]);
  transform_pair<I>(d[1], d[2], d[3], d[4], kTileB, kTileA2, v[3], v[4]);
  v[5] = transform_end<I>(d[1], d[3], d[5]);
#pragma GCC unroll 6
  for (int i = 0; i < kTileInput; ++i) {
    I::store(to + (row * kTileInput + i) * call.position_stride, v[i]);
  }
}

template <class I>
void tile_inputs(const TileInputsCall& given) {
  const TileInputsCall call = given;  // no store through a pointer can change it
  using V = typename I::V;
  for (int64_t tile = 0; tile < call.tiles; ++tile) {
    for (int64_t channel = 0; channel < call.channels; channel += I::kLanes) {
      const int64_t at = tile * kTile * call.pixel_stride + channel;
      float* to = call.to + tile * call.tile_stride + channel;
      const auto pixel = [&](int row, int column) __attribute__((always_inline)) {
        return I::load(call.rows[row] + at + column * call.pixel_stride);
      };
      V row[kTileInput], other[kTileInput];
#pragma GCC unroll 6
      for (int x = 0; x < kTileInput; ++x) {
        row[x] = transform_end<I>(pixel(0, x), pixel(2, x), pixel(4, x));
      }
      store_tile_row<I>(call, to, 0, row);
#pragma GCC unroll 6
      for (int x = 0; x < kTileInput; ++x) {
        transform_pair<I>(pixel(1, x), pixel(2, x), pixel(3, x), pixel(4, x), kTileA, kTileB2,
                          row[x], other[x]);
      }
      store_tile_row<I>(call, to, 1, row);
      store_tile_row<I>(call, to, 2, other);
#pragma GCC unroll 6
      for (int x = 0; x < kTileInput; ++x) {
        transform_pair<I>(pixel(1, x), pixel(2, x), pixel(3, x), pixel(4, x), kTileB, kTileA2,
                          row[x], other[x]);
      }
      store_tile_row<I>(call, to, 3, row);
      store_tile_row<I>(call, to, 4, other);
#pragma GCC unroll 6
      for (int x = 0; x < kTileInput; ++x) {
        row[x] = transform_end<I>(pixel(1, x), pixel(3, x), pixel(5, x));
      }
      store_tile_row<I>(call, to, 5, row);
    }
  }
}

// Rows of G are [1, p, p²] over the product of the differences between p and the other points.
constexpr float kTileG0 = 1.0F / (kTileA2 * kTileB2);
constexpr float kTileGA = 1.0F / (2.0F * kTileA2 * (kTileA2 - kTileB2));
constexpr float kTileGB = 1.0F / (2.0F * kTileB2 * (kTileB2 - kTileA2));

/// Two rows of G g for a pair of points ±p.
template <class I>
SD_VEC void weight_pair(typename I::V g0, typename I::V g1, typename I::V g2, float scale, float p,
                        typename I::V& plus, typename I::V& minus) {
  const auto even = I::mul(I::set(scale), I::fma(I::set(p * p), g2, g0));
  plus = I::fma(I::set(scale * p), g1, even);
  minus = I::fma(I::set(-scale * p), g1, even);
}

/// The six positions of one row of G g Gᵀ from that row of G g.
template <class I>
SD_VEC void store_weight_row(const TileWeightsCall& call, float* to, const typename I::V (&t)[3]) {
  typename I::V u[kTileInput];
  u[0] = I::mul(I::set(kTileG0), t[0]);
  weight_pair<I>(t[0], t[1], t[2], kTileGA, kTileA, u[1], u[2]);
  weight_pair<I>(t[0], t[1], t[2], kTileGB, kTileB, u[3], u[4]);
  u[5] = t[2];
#pragma GCC unroll 6
  for (int i = 0; i < kTileInput; ++i) I::store(to + i * call.position_stride, u[i]);
}

/// Both rows of a pair of G g Gᵀ from the weights that `load(tap)` gives.
template <class I, TileRows kRows, typename Load>
SD_VEC void store_weight_rows(const TileWeightsCall& call, float* to, const Load& load) {
  typename I::V first[3], second[3];
#pragma GCC unroll 3
  for (int x = 0; x < 3; ++x) {
    if constexpr (kRows == TileRows::kEnds) {
      first[x] = I::mul(I::set(kTileG0), load(x));
      second[x] = load(6 + x);
    } else {
      constexpr bool kA = kRows == TileRows::kA;
      weight_pair<I>(load(x), load(3 + x), load(6 + x), kA ? kTileGA : kTileGB,
                     kA ? kTileA : kTileB, first[x], second[x]);
    }
  }
  store_weight_row<I>(call, to, first);
  store_weight_row<I>(call, to + kTileInput * call.position_stride, second);
}

template <class I, typename Weight, TileRows kRows>
void tile_weights_rows(const TileWeightsCall& given) {
  const TileWeightsCall call = given;
  const auto* from = static_cast<const Weight*>(call.weights);
  const int64_t all = call.depth * call.columns;
  for (int64_t at = 0; at < all; at += I::kLanes) {
    store_weight_rows<I, kRows>(
        call, call.to + at, [&](int tap) __attribute__((always_inline)) {
          return I::load(from + tap * all + at);
        });
  }
}

/// Of pairs of bf16: each vector's lanes hold two channels of a column.
template <class I, TileRows kRows>
void tile_weights_rows_of_pairs(const TileWeightsCall& given) {
  const TileWeightsCall call = given;
  const auto* from = static_cast<const uint16_t*>(call.weights);
  const int64_t all = call.depth * call.columns;
  for (int64_t pair = 0; pair < call.depth; pair += 2) {
    for (int64_t column = 0; column < call.columns; column += I::kLanes) {
      const auto* first = from + pair * call.columns + 2 * column;
      float* to = call.to + pair * call.columns + column;
      typename I::V even[9], odd[9];
#pragma GCC unroll 9
      for (int tap = 0; tap < 9; ++tap) I::load_pairs(first + tap * all, even[tap], odd[tap]);
      store_weight_rows<I, kRows>(
          call, to, [&](int tap) __attribute__((always_inline)) { return even[tap]; });
      store_weight_rows<I, kRows>(
          call,
          to + call.columns, [&](int tap) __attribute__((always_inline)) { return odd[tap]; });
    }
  }
}

template <class I, typename Weight>
void tile_weights(const TileWeightsCall& call) {
  switch (call.rows) {
    case TileRows::kEnds:
      return tile_weights_rows<I, Weight, TileRows::kEnds>(call);
    case TileRows::kA:
      return tile_weights_rows<I, Weight, TileRows::kA>(call);
    case TileRows::kB:
      return tile_weights_rows<I, Weight, TileRows::kB>(call);
  }
}

template <class I>
void tile_weights_of_pairs(const TileWeightsCall& call) {
  switch (call.rows) {
    case TileRows::kEnds:
      return tile_weights_rows_of_pairs<I, TileRows::kEnds>(call);
    case TileRows::kA:
      return tile_weights_rows_of_pairs<I, TileRows::kA>(call);
    case TileRows::kB:
      return tile_weights_rows_of_pairs<I, TileRows::kB>(call);
  }
}

/// Aᵀ m: [1, p, p², p³] of each point; ∞ has [0, 0, 0, 1].
template <class I>
SD_VEC void transform_back(const typename I::V (&m)[kTileInput], typename I::V (&y)[kTile]) {
  const auto sum_a = I::add(m[1], m[2]), difference_a = I::sub(m[1], m[2]);
  const auto sum_b = I::add(m[3], m[4]), difference_b = I::sub(m[3], m[4]);
  y[0] = I::add(m[0], I::add(sum_a, sum_b));
  y[1] = I::fma(I::set(kTileA), difference_a, I::mul(I::set(kTileB), difference_b));
  y[2] = I::fma(I::set(kTileA2), sum_a, I::mul(I::set(kTileB2), sum_b));
  y[3] = I::fma(I::set(kTileA2 * kTileA), difference_a,
                I::fma(I::set(kTileB2 * kTileB), difference_b, m[5]));
}

/// One vector of a pixel's sums, finished and written to its first n columns.
template <class I, bool kWhole, typename Out>
SD_VEC void finish_lanes(const FinishCall& call, typename I::V sum, int64_t at, int64_t column,
                         int n) {
  if (call.scale != nullptr) sum = I::mul(sum, I::load(call.scale + column));
  if (call.bias != nullptr) sum = I::add(sum, I::load(call.bias + column));
  if (call.residual != nullptr) {
    const auto* residual = static_cast<const Out*>(call.residual) + at + column;
    sum = I::add(sum, load_lanes<I, kWhole>(residual, n));
  }
  Out* out = static_cast<Out*>(call.out) + at + column;
  if constexpr (kWhole) {
    I::store(out, sum);
  } else {
    I::store_n(out, sum, n);
  }
}

/// Sums of 36 positions are more streams than the CPU's own prefetching follows.
constexpr int64_t kTilesAhead = 2;

template <class I, bool kWhole, typename To>
SD_VEC void tile_output(const TileOutputsCall& call, int64_t tile, int64_t column, int n) {
  using V = typename I::V;
  const float* sums = call.finish.sums + tile * call.finish.sums_stride + column;
  V back[kTile][kTileInput];
#pragma GCC unroll 6
  for (int x = 0; x < kTileInput; ++x) {
    V m[kTileInput], y[kTile];
#pragma GCC unroll 6
    for (int i = 0; i < kTileInput; ++i) {
      const float* position = sums + (i * kTileInput + x) * call.position_stride;
      __builtin_prefetch(position + kTilesAhead * call.finish.sums_stride);
      m[i] = I::load(position);
    }
    transform_back<I>(m, y);
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) back[i][x] = y[i];
  }
  const int64_t left = call.finish.rows - tile * kTile;
#pragma GCC unroll 4
  for (int row = 0; row < kTile; ++row) {
    if (row >= call.rows) break;
    V y[kTile];
    transform_back<I>(back[row], y);
    const int64_t at = row * call.row_stride + tile * kTile * call.finish.out_stride;
#pragma GCC unroll 4
    for (int x = 0; x < kTile; ++x) {
      if (x >= left) break;
      finish_lanes<I, kWhole, To>(call.finish, y[x], at + x * call.finish.out_stride, column, n);
    }
  }
}

template <class I, typename To>
void tile_outputs(const TileOutputsCall& given) {
  const TileOutputsCall call = given;
  for (int64_t tile = 0; tile * kTile < call.finish.rows; ++tile) {
    int64_t column = 0;
    for (; column + I::kLanes <= call.finish.columns; column += I::kLanes) {
      tile_output<I, true, To>(call, tile, column, I::kLanes);
    }
    if (column < call.finish.columns) {
      tile_output<I, false, To>(call, tile, column, static_cast<int>(call.finish.columns - column));
    }
  }
}

/// All steps of one instruction set.
template <class I>
ConvSteps make_conv_steps() {
  return {
      {{&copy_row<I, float, float>, &copy_row<I, float, uint16_t>},
       {&copy_row<I, uint16_t, float>, &copy_row<I, uint16_t, uint16_t>}},
      &tile_inputs<I>,
      {&tile_weights<I, float>, &tile_weights<I, uint16_t>, &tile_weights<I, int8_t>,
       &tile_weights_of_pairs<I>},
      {&tile_outputs<I, float>, &tile_outputs<I, uint16_t>},
  };
}

}  // namespace sd::kernels
