// What a convolution does beside its products, compiled for each instruction set.
#pragma once

#include <cstdint>

#include "kernels/finish.h"
#include "kernels/isa.h"

namespace sd::kernels {

/// Pixels of one row of a picture, copied with what comes before the convolution.
struct RowCall {
  const void* row;       // the row's first pixel, at the first channel to copy; null: zeros
  int64_t width;         // pixels that the row has, those seen twice counted twice
  int64_t pixel_stride;  // elements from pixel to pixel
  bool upsampled;        // each pixel is seen twice
  int64_t begin, count;  // pixels to copy; those before 0 and from width on are zero
  int64_t channels;      // to copy
  const float* scale;    // [channels], or null
  const float* shift;    // [channels], or null
  bool silu;
  void* to;           // [count][to_stride]
  int64_t to_stride;  // elements: channels or more, whole vectors of kConvLanes; zero behind
};

// Winograd's F(4×4, 3×3): an output tile of 4 × 4 pixels comes from 6 × 6 pixels of the input and
// 36 products a channel, where the direct way takes 144. The transforms are those of Toom and Cook
// at the points 0, ±5/8, ±3/2 and ∞, which of all pairs of short binary fractions tried lose least:
// beside float64 the sums are off by 1.6 times what direct float32 sums are off by (±1/2 and ±1, or
// ±1 and ±2, which are in wider use: 3.6 times).
constexpr int kTile = 4, kTileInput = 6, kTilePositions = 36;

/// One row of tiles of the input, transformed.
struct TileInputsCall {
  const float* rows[kTileInput];  // [pixels][pixel_stride], from the first tile's first pixel on
  int64_t pixel_stride;
  int64_t tiles;     // each begins kTile pixels behind the one before
  int64_t channels;  // whole vectors of kConvLanes
  float* to;         // [kTilePositions][tiles][channels]
  int64_t position_stride, tile_stride;
};

/// Rows of positions come in pairs that are cheaper together: those of 0 and ∞, of ±5/8, of ±3/2.
enum class TileRows { kEnds, kA, kB };
constexpr TileRows kTileRows[] = {TileRows::kEnds, TileRows::kA, TileRows::kB};
constexpr int kTileRowsOf[][2] = {{0, 5}, {1, 2}, {3, 4}};

/// Weights of one panel's chunk, transformed: two rows of positions.
struct TileWeightsCall {
  const void* weights;  // [9][depth / unit][columns][unit], as PackedWeights::at gives them
  int64_t depth, columns;
  TileRows rows;
  float* to;  // [2 · kTileInput][depth][columns]
  int64_t position_stride;
};

/// Products of one row of tiles, transformed back, finished and written.
struct TileOutputsCall {
  FinishCall finish;  // sums: [kTilePositions][tiles][sums_stride]; rows: pixels that are left of
                      // the picture's row; residual_stride is out_stride; no activation
  int64_t position_stride;
  int64_t rows;        // of a tile that the output has
  int64_t row_stride;  // elements from row to row of output and residual
};

/// Channels of a copied row fill whole vectors of so many: the widest vector.
constexpr int64_t kConvLanes = 16;

struct ConvSteps {
  void (*copy_row[2][2])(const RowCall&);  // [input is bf16][copy is bf16]
  void (*tile_inputs)(const TileInputsCall&);
  void (*tile_weights[4])(const TileWeightsCall&);  // by Operands
  void (*tile_outputs[2])(const TileOutputsCall&);  // [output is bf16]
};

// One file each, compiled for its instruction set: call none but through conv_steps.
ConvSteps conv_steps_plain();
ConvSteps conv_steps_avx2();
ConvSteps conv_steps_avx512();
ConvSteps conv_steps_avx512_bf16();

/// The steps with the instructions of `isa`.
const ConvSteps& conv_steps(Isa isa);

}  // namespace sd::kernels
