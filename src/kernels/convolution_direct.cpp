// Convolutions as sums of shifted products: a task copies its part of the input with the border,
// and the micro-kernel walks over the taps.
#include <vector>

#include "kernels/convolution_blocks.h"
#include "kernels/scratch.h"

namespace sd::kernels {
namespace {

class DirectTask {
 public:
  DirectTask(const ConvCall& call, const ConvBlock& block) : call_(call), block_(block) {
    const auto& weights = *call.weights;
    pairs_ = takes_pairs(weights.operands());
    band_rows_ = (block.rows.size() - 1) * call.stride + call.kernel;
    band_width_ = (block.columns.size() - 1) * call.stride + call.kernel;
    pixel_ = rounded_up(weights.chunk_depth(0), kConvLanes) * (pairs_ ? 2 : 4);
    for (int64_t y = 0; y < call.kernel; ++y) {
      for (int64_t x = 0; x < call.kernel; ++x) taps_.push_back((y * band_width_ + x) * pixel_);
    }
    panel_sums_ = block.units() * weights.micro().columns;
    const int64_t band = rounded_up(block.images.size() * band_rows_ * band_width_ * pixel_, 64);
    const auto widened =
        weights.is_widened() ? static_cast<int64_t>(weights.widened_bytes(0)) : int64_t{0};
    band_ = thread_scratch(static_cast<std::size_t>(
        band + widened + block.panels.size() * panel_sums_ * static_cast<int64_t>(sizeof(float))));
    widened_ = band_ + band;
    sums_ = reinterpret_cast<float*>(widened_ + widened);
  }

  void run() const {
    for (int64_t chunk = 0; chunk < call_.weights->chunks(); ++chunk) {
      copy_band(chunk);
      for (int64_t panel = block_.panels.begin; panel < block_.panels.end; ++panel) {
        multiply(chunk, panel);
      }
    }
    for (int64_t panel = block_.panels.begin; panel < block_.panels.end; ++panel) finish(panel);
  }

 private:
  std::byte* band_row(int64_t image, int64_t row) const {
    return band_ + ((image - block_.images.begin) * band_rows_ + row) * band_width_ * pixel_;
  }
  float* sums(int64_t panel) const { return sums_ + (panel - block_.panels.begin) * panel_sums_; }

  void copy_band(int64_t chunk) const {
    const int64_t begin = call_.weights->chunk_begin(chunk);
    const int64_t depth = call_.weights->chunk_depth(chunk);
    const int64_t top = block_.rows.begin * call_.stride + call_.cut_above - call_.pad_before;
    const int64_t left = block_.columns.begin * call_.stride - call_.pad_before;
    for (int64_t image = block_.images.begin; image < block_.images.end; ++image) {
      for (int64_t row = 0; row < band_rows_; ++row) {
        copy_input_row(call_, image, top + row, {left, left + band_width_}, {begin, begin + depth},
                       pairs_, band_row(image, row), pixel_ / (pairs_ ? 2 : 4));
      }
    }
  }

  void multiply(int64_t chunk, int64_t panel) const {
    const auto& weights = *call_.weights;
    const auto& micro = weights.micro();
    const int64_t width = block_.columns.size(), parts = divided_up(width, micro.rows);
    TileCall tile{};
    tile.a_stride = call_.stride * pixel_;
    tile.tap_offsets = taps_.data();
    tile.taps = weights.taps();
    tile.depth = weights.chunk_depth(chunk) / micro.depth;
    tile.b = weights.readable(panel, chunk, widened_);
    tile.c = sums(panel);
    tile.c_stride = micro.columns;
    tile.accumulate = chunk > 0;
    for (int64_t image = block_.images.begin; image < block_.images.end; ++image) {
      for (int64_t row = 0; row < block_.rows.size(); ++row) {
        for (int64_t part = 0; part < parts; ++part) {
          const auto pixels = part_of(width, parts, part);
          tile.a = band_row(image, row * call_.stride) + pixels.begin * tile.a_stride;
          micro.multiply[static_cast<std::size_t>(pixels.size())](tile);
          tile.c += pixels.size() * micro.columns;
        }
      }
    }
  }

  void finish(int64_t panel) const {
    const float* from = sums(panel);
    for (int64_t image = block_.images.begin; image < block_.images.end; ++image) {
      for (int64_t row = block_.rows.begin; row < block_.rows.end; ++row) {
        auto finish = finish_call(call_, image, row, block_.columns.begin, panel);
        finish.sums = from;
        finish.rows = block_.columns.size();
        finish_for(call_.weights->isa())(finish);
        from += finish.rows * finish.sums_stride;
      }
    }
  }

  const ConvCall& call_;
  const ConvBlock& block_;
  bool pairs_ = false;                                  // the copy is bf16
  int64_t band_rows_ = 0, band_width_ = 0, pixel_ = 0;  // of the copy; bytes from pixel to pixel
  int64_t panel_sums_ = 0;
  std::vector<int64_t> taps_;
  std::byte* band_ = nullptr;
  std::byte* widened_ = nullptr;  // a chunk of a panel of 8 bits
  float* sums_ = nullptr;         // [panels][images][rows][columns][micro-kernel's columns]
};

}  // namespace

void convolve_directly(const ConvCall& call, const ConvBlock& block) {
  DirectTask(call, block).run();
}

}  // namespace sd::kernels
