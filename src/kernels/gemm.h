#pragma once

#include <cstdint>

#include "kernels/finish.h"
#include "kernels/packed_weights.h"

namespace sd::kernels {

/// y = f(x W + bias) + residual for rows of x, which is what a linear layer and a 1×1 convolution
/// over channels-last pictures are. Strides are in elements.
struct GemmCall {
  const void* x;  // [rows][weights->depth()]: bf16 for pairs, else float32
  int64_t x_stride;
  int64_t rows;
  const PackedWeights* weights;  // of one tap
  const float* bias;             // [panels · columns a panel], as packed_bias makes it; or null
  const void* residual;          // [rows][outputs] as out, or null
  int64_t residual_stride;
  void* out;  // [rows][outputs]; outputs: weights->columns(), half of them where gated
  int64_t out_stride;
  bool bf16_out;  // what out and residual are
  Activation activation;
};

/// A layer's bias [columns] in the order of packed columns, with zeros where there are none.
std::vector<float> packed_bias(const PackedWeights& weights, const float* bias);

/// A product cut into tasks that any threads may run in any order. A row's result does not depend
/// on the other rows.
class GemmPlan {
 public:
  explicit GemmPlan(const GemmCall& call);
  int64_t tasks() const { return row_blocks_ * panel_blocks_; }
  void run(int64_t task) const;

 private:
  struct Block {
    int64_t first_row, rows, first_panel, panels;
  };
  void run_whole_depth(const Block& block) const;
  void run_by_chunks(const Block& block) const;
  /// One tile: rows from `row` on by the columns at `b`, which are of this chunk.
  void multiply(const Block& block, const char* x, int64_t row, int64_t chunk, const std::byte* b,
                float* sums, int64_t sums_stride) const;
  /// Bytes that a chunk of the block's panels takes once it is widened; 0 where nothing is.
  std::size_t widened_bytes(const Block& block) const;
  /// Where a chunk of the block's panel number `panel` lies, for a micro-kernel.
  const std::byte* columns_of(const Block& block, int64_t panel, int64_t chunk,
                              const std::byte* widened) const;
  void widen(const Block& block, int64_t chunk, std::byte* room) const;
  void finish(int64_t row, int64_t rows, int64_t panel, const float* sums,
              int64_t sums_stride) const;
  const char* rows_of(const Block& block, std::byte* copy) const;

  GemmCall call_;
  Finish finish_;
  int64_t x_bytes_;  // of an element of x
  int64_t rows_;     // of a block, but for the last
  int64_t row_blocks_;
  int64_t panels_;  // of a block, but for the last
  int64_t panel_blocks_;
};

}  // namespace sd::kernels
