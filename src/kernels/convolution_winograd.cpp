// Convolutions by Winograd's F(4×4, 3×3), in float32 whatever is stored. A task transforms chunk
// after chunk of its input's channels; for each, panels' weights, two rows of positions at a time,
// so that they stay in the core's cache; and adds the products of the 36 positions.
#include "kernels/convolution_blocks.h"
#include "kernels/scratch.h"

namespace sd::kernels {
namespace {

// Keeps positions apart: without it all 36 would lie in the same few sets of the caches.
constexpr int64_t kApart = 9 * 16;
// Panels whose weights, transformed, stay in the core's cache together.
constexpr int64_t kPanelsTogether = 2;

class TileTask {
 public:
  TileTask(const ConvCall& call, const ConvBlock& block)
      : call_(call),
        block_(block),
        steps_(conv_steps(call.weights->isa())),
        micro_(gemm_micro(call.weights->isa(), Operands::kFloats)),
        tiles_(block.units()),
        width_(micro_.columns),
        depth_(rounded_up(call.weights->chunk_depth(0), kConvLanes)),
        band_width_(block.columns.size() * kTile + kTileInput - kTile),
        input_position_(tiles_ * depth_ + kApart),
        weight_position_(depth_ * width_ + kApart),
        sum_position_(tiles_ * width_ + kApart) {
    const int64_t band = kTileInput * band_width_ * depth_;
    const int64_t inputs = kTilePositions * input_position_;
    const int64_t weights = std::min(kPanelsTogether, block.panels.size()) * weight_panel();
    const int64_t sums = block.panels.size() * sum_panel();
    const auto& packed = *call.weights;
    const auto widened = packed.is_widened() ? packed.widened_bytes(0) : std::size_t{0};
    widened_ = thread_scratch(widened + static_cast<std::size_t>(band + inputs + weights + sums) *
                                            sizeof(float));
    band_ = reinterpret_cast<float*>(widened_ + widened);
    inputs_ = band_ + band;
    weights_ = inputs_ + inputs;
    sums_ = weights_ + weights;
  }

  void run() const {
    const auto panels = block_.panels;
    for (int64_t chunk = 0; chunk < call_.weights->chunks(); ++chunk) {
      transform_inputs(chunk);
      for (int64_t begin = panels.begin; begin < panels.end; begin += kPanelsTogether) {
        const Range together{begin, std::min(begin + kPanelsTogether, panels.end)};
        for (const auto rows : kTileRows) {
          transform_weights(chunk, together, rows);
          for (int place = 0; place < 2 * kTileInput; ++place) {
            for (int64_t panel = together.begin; panel < together.end; ++panel) {
              multiply(chunk, panel, panel - begin, rows, place);
            }
          }
        }
      }
    }
    transform_back();
  }

 private:
  int64_t weight_panel() const { return 2 * kTileInput * weight_position_; }
  int64_t sum_panel() const { return kTilePositions * sum_position_; }
  float* sums(int64_t panel) const { return sums_ + (panel - block_.panels.begin) * sum_panel(); }

  /// Rows of the copied input follow each other in a ring: two of six are the next tiles' too.
  float* band_row(int64_t row) const { return band_ + row % kTileInput * band_width_ * depth_; }

  void transform_inputs(int64_t chunk) const {
    const int64_t begin = call_.weights->chunk_begin(chunk);
    const Range channels{begin, begin + call_.weights->chunk_depth(chunk)};
    const int64_t top = block_.rows.begin * kTile + call_.cut_above - call_.pad_before;
    const int64_t left = block_.columns.begin * kTile - call_.pad_before;
    TileInputsCall inputs{};
    inputs.pixel_stride = inputs.tile_stride = depth_;
    inputs.tiles = block_.columns.size();
    inputs.channels = rounded_up(channels.size(), kConvLanes);
    inputs.to = inputs_;
    inputs.position_stride = input_position_;
    for (int64_t image = block_.images.begin; image < block_.images.end; ++image) {
      int64_t copied = 0;
      for (int64_t row = 0; row < block_.rows.size(); ++row) {
        for (; copied < row * kTile + kTileInput; ++copied) {
          copy_input_row(call_, image, top + copied, {left, left + band_width_}, channels, false,
                         band_row(copied), depth_);
        }
        for (int i = 0; i < kTileInput; ++i) inputs.rows[i] = band_row(row * kTile + i);
        steps_.tile_inputs(inputs);
        inputs.to += inputs.tiles * depth_;
      }
    }
  }

  void transform_weights(int64_t chunk, Range panels, TileRows rows) const {
    const auto stored = call_.weights->operands();
    const auto read = stored == Operands::kInt8Pairs ? Operands::kBf16Pairs : stored;
    TileWeightsCall weights{};
    weights.depth = call_.weights->chunk_depth(chunk);
    weights.columns = width_;
    weights.rows = rows;
    weights.position_stride = weight_position_;
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
      weights.to = weights_ + (panel - panels.begin) * weight_panel();
      weights.weights = call_.weights->readable(panel, chunk, widened_);
      steps_.tile_weights[static_cast<std::size_t>(read)](weights);
    }
  }

  /// Sums come from the last cache, and the micro-kernel needs all of a tile's at once.
  static void prefetch(const float* sums, int64_t count) {
    for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(sums + i, 1);
  }

  void multiply(int64_t chunk, int64_t panel, int64_t panel_place, TileRows rows, int place) const {
    const int row = kTileRowsOf[static_cast<int>(rows)][place / kTileInput];
    const int64_t position = row * kTileInput + place % kTileInput;
    const int64_t parts = divided_up(tiles_, micro_.rows);
    TileCall tile{};
    tile.a_stride = depth_ * static_cast<int64_t>(sizeof(float));
    tile.taps = 1;
    tile.depth = call_.weights->chunk_depth(chunk);
    tile.b = weights_ + panel_place * weight_panel() + place * weight_position_;
    tile.c_stride = width_;
    tile.accumulate = chunk > 0;
    const float* input = inputs_ + position * input_position_;
    float* sum = sums(panel) + position * sum_position_;
    for (int64_t part = 0; part < parts; ++part) {
      const auto range = part_of(tiles_, parts, part);
      tile.a = input + range.begin * depth_;
      tile.c = sum + range.begin * width_;
      prefetch(tile.c + range.size() * width_, range.size() * width_);
      micro_.multiply[static_cast<std::size_t>(range.size())](tile);
    }
  }

  /// Pixel after pixel with all columns, so that the output is written as it lies.
  void transform_back() const {
    int64_t tile = 0;
    for (int64_t image = block_.images.begin; image < block_.images.end; ++image) {
      for (int64_t row = block_.rows.begin; row < block_.rows.end; ++row) {
        for (int64_t panel = block_.panels.begin; panel < block_.panels.end; ++panel) {
          transform_back(image, row, panel, sums(panel) + tile * width_);
        }
        tile += block_.columns.size();
      }
    }
  }

  void transform_back(int64_t image, int64_t row, int64_t panel, const float* from) const {
    const int64_t height = conv_output_height(call_);
    const int64_t width = conv_output_width(call_);
    const int64_t x = block_.columns.begin * kTile, end = block_.columns.end * kTile;
    TileOutputsCall outputs{};
    outputs.finish = finish_call(call_, image, row * kTile, x, panel);
    outputs.finish.sums = from;
    outputs.finish.rows = std::min(end, width) - x;
    outputs.position_stride = sum_position_;
    outputs.rows = std::min<int64_t>(kTile, height - row * kTile);
    outputs.row_stride = width * call_.weights->columns();
    steps_.tile_outputs[call_.bf16 ? 1 : 0](outputs);
  }

  const ConvCall& call_;
  const ConvBlock& block_;
  const ConvSteps& steps_;
  const GemmMicro& micro_;
  int64_t tiles_, width_, depth_, band_width_;
  int64_t input_position_, weight_position_, sum_position_;  // elements from position to position
  std::byte* widened_ = nullptr;                             // a chunk of a panel of 8 bits
  float* band_ = nullptr;                                    // [kTileInput][band_width][depth]
  float* inputs_ = nullptr;                                  // [kTilePositions][tiles][depth]
  float* weights_ = nullptr;  // [panels together][2 · kTileInput][depth][width]
  float* sums_ = nullptr;     // [panels][kTilePositions][tiles][width]
};

}  // namespace

void convolve_by_tiles(const ConvCall& call, const ConvBlock& block) {
  TileTask(call, block).run();
}

}  // namespace sd::kernels
