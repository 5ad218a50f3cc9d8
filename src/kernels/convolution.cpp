#include "kernels/convolution.h"

#include <algorithm>

#include "kernels/convolution_blocks.h"

namespace sd::kernels {
namespace {

// A task's sums stay in a core's cache beside what it reads of the input and the weights.
constexpr int64_t kDirectPixels = 256, kDirectWidth = 64, kDirectSums = 256 * 384;
// Weights are transformed for each task anew: many tiles share that.
constexpr int64_t kTiles = 128, kTileColumns = 16, kTileSums = 36 * 128 * 320;

int64_t seen(const ConvCall& call, int64_t size) { return call.upsampled ? 2 * size : size; }

const void* moved(const void* data, bool bf16, int64_t elements) {
  return static_cast<const char*>(data) + elements * (bf16 ? 2 : 4);
}

}  // namespace

int64_t conv_output_size(const ConvCall& call, int64_t input_size) {
  return (seen(call, input_size) + call.pad_before + call.pad_after - call.kernel) / call.stride +
         1;
}

FinishCall finish_call(const ConvCall& call, int64_t image, int64_t y, int64_t x, int64_t panel) {
  const auto& weights = *call.weights;
  const int64_t width = weights.micro().columns, first = panel * width;
  const int64_t height = conv_output_size(call, call.height);
  const int64_t pixel = (image * height + y) * conv_output_size(call, call.width) + x;
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
  if (call.exact || !conv_can(call, ConvAlgorithm::kWinograd4)) return ConvAlgorithm::kDirect;
  return ConvAlgorithm::kWinograd4;
}

ConvPlan::ConvPlan(const ConvCall& call, ConvAlgorithm algorithm)
    : call_(call),
      algorithm_(algorithm),
      output_height_(conv_output_size(call, call.height)),
      output_width_(conv_output_size(call, call.width)) {
  const bool tiles = algorithm_ == ConvAlgorithm::kWinograd4;
  rows_ = tiles ? parts_for(output_height_, kTile) : output_height_;
  columns_ = tiles ? parts_for(output_width_, kTile) : output_width_;
  const int64_t most = tiles ? kTiles : kDirectPixels;
  column_parts_ = parts_for(columns_, tiles ? kTileColumns : kDirectWidth);
  const int64_t width = parts_for(columns_, column_parts_);
  row_parts_ = parts_for(rows_, std::max<int64_t>(1, most / width));
  const int64_t units = parts_for(rows_, row_parts_) * width;
  const bool whole = row_parts_ * column_parts_ == 1;
  const int64_t together = whole ? std::max<int64_t>(1, most / units) : 1;
  image_parts_ = parts_for(call.images, together);
  const int64_t panels = call.weights->panels();
  const int64_t sums = units * parts_for(call.images, image_parts_) * (tiles ? kTilePositions : 1) *
                       call.weights->micro().columns;
  panel_parts_ = parts_for(panels, std::max<int64_t>(1, (tiles ? kTileSums : kDirectSums) / sums));
  const int64_t wanted = call.threads > 1 ? 2 * call.threads : 1;
  const int64_t blocks = image_parts_ * row_parts_ * column_parts_;
  panel_parts_ = std::min(panels, std::max(panel_parts_, parts_for(wanted, blocks)));
}

void ConvPlan::run(int64_t task) const {
  // Tasks that follow each other share their weights.
  const auto next = [&task](int64_t total, int64_t parts) {
    const auto range = part_of(total, parts, task % parts);
    task /= parts;
    return range;
  };
  ConvBlock block{};
  block.columns = next(columns_, column_parts_);
  block.rows = next(rows_, row_parts_);
  block.images = next(call_.images, image_parts_);
  block.panels = next(call_.weights->panels(), panel_parts_);
  if (algorithm_ == ConvAlgorithm::kWinograd4) {
    convolve_by_tiles(call_, block);
  } else {
    convolve_directly(call_, block);
  }
}

}  // namespace sd::kernels
