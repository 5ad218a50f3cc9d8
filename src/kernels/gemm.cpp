#include "kernels/gemm.h"

#include <algorithm>
#include <cstring>

#include "kernels/rounding.h"
#include "kernels/scratch.h"

namespace sd::kernels {
namespace {

// A block of packed columns stays in a core's second cache while rows pass by; rows of a block are
// as many as make reading the columns cheap beside the sums.
constexpr int64_t kColumnBytes = 560 << 10, kRowTiles = 8, kRowTilesOfLarge = 28;
constexpr std::size_t kLargeWeights = std::size_t{4} << 20U;

}  // namespace

std::vector<float> packed_bias(const PackedWeights& weights, const float* bias) {
  const int64_t width = weights.micro().columns;
  std::vector<float> packed(static_cast<std::size_t>(weights.panels() * width), 0.0F);
  for (int64_t panel = 0; panel < weights.panels(); ++panel) {
    for (int64_t column = 0; column < width; ++column) {
      const int64_t source = weights.source_column(panel, column);
      if (source < weights.columns()) {
        packed[static_cast<std::size_t>(panel * width + column)] = bias[source];
      }
    }
  }
  return packed;
}

GemmPlan::GemmPlan(const GemmCall& call) : call_(call), finish_(finish_for(call.weights->isa())) {
  const auto& weights = *call.weights;
  const auto& micro = weights.micro();
  x_bytes_ = takes_pairs(weights.operands()) ? 2 : 4;
  const int64_t tiles = weights.bytes() > kLargeWeights ? kRowTilesOfLarge : kRowTiles;
  const int64_t most = tiles * micro.rows;
  row_blocks_ = divided_up(call.rows, most);
  rows_ = row_blocks_ == 0
              ? 0
              : divided_up(divided_up(call.rows, row_blocks_), micro.rows) * micro.rows;
  if (rows_ > 0) row_blocks_ = divided_up(call.rows, rows_);
  const int64_t panel_bytes = weights.chunk_depth(0) * micro.columns * 4 / micro.depth;
  const int64_t fitting = std::max<int64_t>(1, kColumnBytes / panel_bytes);
  panel_blocks_ = divided_up(weights.panels(), fitting);
  panels_ = divided_up(weights.panels(), panel_blocks_);
  panel_blocks_ = divided_up(weights.panels(), panels_);
}

void GemmPlan::run(int64_t task) const {
  Block block{};
  // Neighbouring tasks share columns.
  block.first_row = task % row_blocks_ * rows_;
  block.rows = std::min(rows_, call_.rows - block.first_row);
  block.first_panel = task / row_blocks_ * panels_;
  block.panels = std::min(panels_, call_.weights->panels() - block.first_panel);
  if (call_.weights->chunks() == 1) {
    run_whole_depth(block);
  } else {
    run_by_chunks(block);
  }
}

/// The block's rows as the micro-kernel may read them: where an odd depth leaves half a pair, a
/// copy whose rows end in a zero.
const char* GemmPlan::rows_of(const Block& block, std::byte* copy) const {
  const auto* x = static_cast<const char*>(call_.x) + block.first_row * call_.x_stride * x_bytes_;
  const int64_t depth = call_.weights->depth(), unit = call_.weights->micro().depth;
  if (depth % unit == 0) return x;
  const int64_t padded = divided_up(depth, unit) * unit;
  for (int64_t row = 0; row < block.rows; ++row) {
    std::byte* to = copy + row * padded * x_bytes_;
    std::memcpy(to, x + row * call_.x_stride * x_bytes_,
                static_cast<std::size_t>(depth * x_bytes_));
    std::memset(to + depth * x_bytes_, 0, static_cast<std::size_t>((padded - depth) * x_bytes_));
  }
  return reinterpret_cast<const char*>(copy);
}

std::size_t GemmPlan::widened_bytes(const Block& block) const {
  if (!call_.weights->is_widened()) return 0;
  return static_cast<std::size_t>(block.panels) * call_.weights->widened_bytes(0);
}

const std::byte* GemmPlan::columns_of(const Block& block, int64_t panel, int64_t chunk,
                                      const std::byte* widened) const {
  const auto& weights = *call_.weights;
  if (!weights.is_widened()) return weights.at(block.first_panel + panel, chunk);
  return widened + static_cast<std::size_t>(panel) * weights.widened_bytes(chunk);
}

/// Once for all rows of the block.
void GemmPlan::widen(const Block& block, int64_t chunk, std::byte* room) const {
  const auto& weights = *call_.weights;
  if (!weights.is_widened()) return;
  for (int64_t panel = 0; panel < block.panels; ++panel) {
    weights.readable(block.first_panel + panel, chunk, room);
    room += weights.widened_bytes(chunk);
  }
}

void GemmPlan::multiply(const Block& block, const char* x, int64_t row, int64_t chunk,
                        const std::byte* b, float* sums, int64_t sums_stride) const {
  const auto& weights = *call_.weights;
  const auto& micro = weights.micro();
  const bool copied = weights.depth() % micro.depth != 0;
  const int64_t stride =
      copied ? divided_up(weights.depth(), micro.depth) * micro.depth : call_.x_stride;
  const int64_t rows = std::min<int64_t>(micro.rows, block.rows - row);
  micro.multiply[static_cast<std::size_t>(rows)](TileCall{
      .a = x + (row * stride + weights.chunk_begin(chunk)) * x_bytes_,
      .a_stride = stride * x_bytes_,
      .tap_offsets = nullptr,
      .taps = 1,
      .depth = weights.chunk_depth(chunk) / micro.depth,
      .b = b,
      .c = sums,
      .c_stride = sums_stride,
      .accumulate = chunk > 0,
  });
}

void GemmPlan::finish(int64_t row, int64_t rows, int64_t panel, const float* sums,
                      int64_t sums_stride) const {
  const auto& weights = *call_.weights;
  const int64_t width = weights.micro().columns;
  const int64_t half = weights.gated() ? width / 2 : width;
  const int64_t outputs = weights.gated() ? weights.columns() / 2 : weights.columns();
  const int64_t out_bytes = call_.bf16_out ? 2 : 4;
  const int64_t first = panel * half;
  const float* scale = weights.scales().empty() ? nullptr : weights.scales().data() + panel * width;
  finish_(FinishCall{
      .sums = sums,
      .sums_stride = sums_stride,
      .rows = rows,
      .columns = std::min(half, outputs - first),
      .half = half,
      .scale = scale,
      .bias = call_.bias == nullptr ? nullptr : call_.bias + panel * width,
      .residual = call_.residual == nullptr ? nullptr
                                            : static_cast<const char*>(call_.residual) +
                                                  (row * call_.residual_stride + first) * out_bytes,
      .residual_stride = call_.residual_stride,
      .out = static_cast<char*>(call_.out) + (row * call_.out_stride + first) * out_bytes,
      .out_stride = call_.out_stride,
      .bf16 = call_.bf16_out,
      .activation = weights.gated() ? Activation::kGated : call_.activation,
  });
}

void GemmPlan::run_whole_depth(const Block& block) const {
  const auto& micro = call_.weights->micro();
  const int64_t padded = call_.weights->chunk_depth(0);
  const auto tile_bytes = static_cast<std::size_t>(micro.rows * micro.columns) * sizeof(float);
  const auto widened = widened_bytes(block);
  std::byte* scratch = thread_scratch(tile_bytes + widened +
                                      static_cast<std::size_t>(block.rows * padded * x_bytes_));
  auto* tile = reinterpret_cast<float*>(scratch + widened);
  widen(block, 0, scratch);
  const char* x = rows_of(block, scratch + widened + tile_bytes);
  for (int64_t row = 0; row < block.rows; row += micro.rows) {
    const int64_t rows = std::min<int64_t>(micro.rows, block.rows - row);
    for (int64_t panel = 0; panel < block.panels; ++panel) {
      multiply(block, x, row, 0, columns_of(block, panel, 0, scratch), tile, micro.columns);
      finish(block.first_row + row, rows, block.first_panel + panel, tile, micro.columns);
    }
  }
}

void GemmPlan::run_by_chunks(const Block& block) const {
  const auto& weights = *call_.weights;
  const auto& micro = weights.micro();
  const int64_t stride = block.panels * micro.columns;
  const auto sums_bytes = static_cast<std::size_t>(block.rows * stride) * sizeof(float);
  const int64_t padded = divided_up(weights.depth(), micro.depth) * micro.depth;
  const auto widened = widened_bytes(block);
  std::byte* scratch = thread_scratch(widened + sums_bytes +
                                      static_cast<std::size_t>(block.rows * padded * x_bytes_));
  auto* sums = reinterpret_cast<float*>(scratch + widened);
  const char* x = rows_of(block, scratch + widened + sums_bytes);
  for (int64_t chunk = 0; chunk < weights.chunks(); ++chunk) {
    widen(block, chunk, scratch);
    for (int64_t row = 0; row < block.rows; row += micro.rows) {
      for (int64_t panel = 0; panel < block.panels; ++panel) {
        multiply(block, x, row, chunk, columns_of(block, panel, chunk, scratch),
                 sums + row * stride + panel * micro.columns, stride);
      }
    }
  }
  for (int64_t panel = 0; panel < block.panels; ++panel) {
    finish(block.first_row, block.rows, block.first_panel + panel, sums + panel * micro.columns,
           stride);
  }
}

}  // namespace sd::kernels
