#include "kernels/convolution.h"

#include <algorithm>

#include "kernels/convolution_blocks.h"

namespace sd::kernels {
namespace {

// A task's sums stay in a core's cache beside what it reads of the input and the weights.
constexpr int64_t kDirectPixels = 256, kDirectWidth = 64, kDirectSums = 256 * 384;
// With Winograd each task transforms its weights anew, which is cheap beside the products of so
// many tiles; more of them would not leave other cores' tasks enough of the last cache.
constexpr int64_t kTiles = 64, kTilesWidth = 16, kTileSums = 64 * 640;

int64_t seen(const ConvCall& call, int64_t size) { return call.upsampled ? 2 * size : size; }

const void* moved(const void* data, bool bf16, int64_t elements) {
  return static_cast<const char*>(data) + elements * (bf16 ? 2 : 4);
}

}  // namespace

int64_t conv_output_height(const ConvCall& call) {
  const int64_t rows = seen(call, call.height) - call.cut_above - call.cut_below;
  return (rows + call.pad_before + call.pad_after - call.kernel) / call.stride + 1;
}

int64_t conv_output_width(const ConvCall& call) {
  return (seen(call, call.width) + call.pad_before + call.pad_after - call.kernel) / call.stride +
         1;
}

FinishCall finish_call(const ConvCall& call, int64_t image, int64_t y, int64_t x, int64_t panel) {
  const auto& weights = *call.weights;
  const int64_t width = weights.micro().columns, first = panel * width;
  const int64_t height = conv_output_height(call);
  const int64_t pixel = (image * height + y) * conv_output_width(call) + x;
  const int64_t at = pixel * weights.columns() + first;
  FinishCall finish{};
  finish.sums_stride = width;
  finish.columns = std::min(width, weights.columns() - first);
  if (!weights.scales().empty()) finish.scale = weights.scales().data() + first;
  if (call.bias != nullptr) finish.bias = call.bias + image * call.bias_stride + first;
  if (call.residual != nullptr) finish.residual = moved(call.residual, call.bf16, at);
  finish.out = const_cast<void*>(moved(call.output, call.bf16, at));
  finish.residual_stride = finish.out_stride = weights.columns();
  finish.bf16 = call.bf16;
  finish.activation = Activation::kNone;
  return finish;
}

void copy_input_row(const ConvCall& call, int64_t image, int64_t y, Range pixels, Range channels,
                    bool to_bf16, void* to, int64_t to_stride) {
  const int64_t depth = call.weights->depth();
  RowCall row{};
  if (y >= 0 && y < seen(call, call.height)) {
    const int64_t stored = call.upsampled ? y / 2 : y;
    row.row = moved(call.input, call.bf16,
                    (image * call.height + stored) * call.width * depth + channels.begin);
  }
  row.width = seen(call, call.width);
  row.pixel_stride = depth;
  row.upsampled = call.upsampled;
  row.begin = pixels.begin;
  row.count = pixels.size();
  row.channels = std::min(channels.end, depth) - channels.begin;
  if (call.scale != nullptr) {
    row.scale = call.scale + image * depth + channels.begin;
    row.shift = call.shift + image * depth + channels.begin;
  }
  row.silu = call.silu;
  row.to = to;
  row.to_stride = to_stride;
  conv_steps(call.weights->isa()).copy_row[call.bf16 ? 1 : 0][to_bf16 ? 1 : 0](row);
}

bool conv_can(const ConvCall& call, ConvAlgorithm algorithm) {
  if (algorithm == ConvAlgorithm::kDirect) return true;
  const auto& weights = *call.weights;
  // Products are of float32: their micro-kernel must take panels as wide as the stored ones.
  return call.kernel == 3 && call.stride == 1 &&
         gemm_micro(weights.isa(), Operands::kFloats).columns == weights.micro().columns;
}

ConvAlgorithm conv_algorithm(const ConvCall& call) {
  const auto& weights = *call.weights;
  if (call.exact || !conv_can(call, ConvAlgorithm::kWinograd4)) return ConvAlgorithm::kDirect;
  if (weights.depth() < kConvLanes) return ConvAlgorithm::kDirect;  // most of a vector were filling
  // In multiplications of a channel by 16 columns, and what takes as long as so many.
  const int64_t height = conv_output_height(call);
  const int64_t width = conv_output_width(call);
  double direct = 9.0 * static_cast<double>(height * width);
  if (takes_pairs(weights.operands())) {
    if (weights.isa() == Isa::kAvx512Bf16) direct /= 2.0;  // multiplies two pairs at once
    if (weights.isa() == Isa::kAmxBf16) direct /= 16.0;    // a tile of them
  }
  const auto tiles = static_cast<double>(divided_up(height, kTile) * divided_up(width, kTile));
  const auto columns = static_cast<double>(weights.panels() * weights.micro().columns);
  const double transforms = 220.0 / columns + 220.0 / static_cast<double>(weights.depth());
  const double winograd = tiles * (1.15 * kTilePositions + transforms) + 90.0;
  return winograd < direct ? ConvAlgorithm::kWinograd4 : ConvAlgorithm::kDirect;
}

ConvPlan::Parts ConvPlan::cut(int64_t most_units, int64_t most_width, int64_t most_sums) const {
  Parts parts;
  parts.columns = divided_up(columns_, most_width);
  const int64_t width = divided_up(columns_, parts.columns);
  parts.rows = divided_up(rows_, std::max<int64_t>(1, most_units / width));
  int64_t units = divided_up(rows_, parts.rows) * width;
  const bool whole = parts.rows * parts.columns == 1;
  const int64_t together = whole ? std::max<int64_t>(1, most_units / units) : 1;
  parts.images = divided_up(call_.images, together);
  units *= divided_up(call_.images, parts.images);
  const auto& weights = *call_.weights;
  const int64_t fitting = std::max<int64_t>(1, most_sums / (units * weights.micro().columns));
  // Some tasks for each thread, so that all end at about the same time.
  const int64_t wanted = call_.threads > 1 ? 2 * call_.threads : 1;
  parts.panels =
      std::max(divided_up(weights.panels(), fitting), divided_up(wanted, parts.blocks()));
  parts.panels = std::min(weights.panels(), parts.panels);
  return parts;
}

ConvPlan::ConvPlan(const ConvCall& call, ConvAlgorithm algorithm)
    : call_(call),
      algorithm_(algorithm),
      output_height_(conv_output_height(call)),
      output_width_(conv_output_width(call)) {
  const bool tiles = algorithm_ == ConvAlgorithm::kWinograd4;
  rows_ = tiles ? divided_up(output_height_, kTile) : output_height_;
  columns_ = tiles ? divided_up(output_width_, kTile) : output_width_;
  parts_ =
      tiles ? cut(kTiles, kTilesWidth, kTileSums) : cut(kDirectPixels, kDirectWidth, kDirectSums);
}

void ConvPlan::run(int64_t task) const {
  // Tasks that follow each other share their weights.
  const auto next = [&task](int64_t total, int64_t parts) {
    const auto range = part_of(total, parts, task % parts);
    task /= parts;
    return range;
  };
  ConvBlock block{};
  block.columns = next(columns_, parts_.columns);
  block.rows = next(rows_, parts_.rows);
  block.images = next(call_.images, parts_.images);
  block.panels = next(call_.weights->panels(), parts_.panels);
  if (algorithm_ == ConvAlgorithm::kWinograd4) {
    convolve_by_tiles(call_, block);
  } else {
    convolve_directly(call_, block);
  }
}

}  // namespace sd::kernels
