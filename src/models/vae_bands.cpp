#include "models/vae_bands.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "nn/conv_rows.h"

namespace sd {
namespace {

// Of the rows of a band that are made as they are needed.
constexpr int64_t kBandBytes = int64_t{96} << 20;
// The kernels' tiles are that high: bands of a multiple of it have the tiles of a whole picture,
// and with them its roundings. So more rows than a band's neighbours need are made beforehand.
constexpr int64_t kTileRows = 4;

struct MapShape {
  int64_t channels, height, width;
};

torch::Tensor empty_maps(const MapShape& shape, int64_t rows, const torch::Tensor& like) {
  return at::empty({1, shape.channels, rows, shape.width}, like.options(),
                   at::MemoryFormat::ChannelsLast);
}

struct Rows {
  torch::Tensor maps;  // [1,C,·,W]
  int64_t first = 0;   // of the picture
};

/// Rows that are made as they are needed, each once, from the top to the bottom.
class RowWindow {
 public:
  /// Fills a tensor with rows from a given one on.
  using Make = std::function<void(const torch::Tensor& out, int64_t begin)>;

  RowWindow(const MapShape& shape, int64_t most_rows, const torch::Tensor& like, Make make)
      : height_(shape.height),
        held_(empty_maps(shape, std::min(most_rows, shape.height), like)),
        make_(std::move(make)) {}

  /// Rows [begin,end) as far as the picture has them. Neither goes back.
  Rows at(int64_t begin, int64_t end) {
    begin = std::max<int64_t>(begin, 0);
    end = std::min(end, height_);
    const int64_t kept = std::max<int64_t>(0, end_ - begin);
    if (kept > 0 && begin > begin_) {
      held_.narrow(2, 0, kept).copy_(held_.narrow(2, begin - begin_, kept).clone());
    }
    begin_ = begin;
    end_ = end;
    if (const int64_t made = begin + kept; made < end) {
      make_(held_.narrow(2, kept, end - made), made);
    }
    return {held_.narrow(2, 0, end - begin), begin};
  }

 private:
  int64_t height_, begin_ = 0, end_ = 0;
  torch::Tensor held_;
  Make make_;
};

/// A block's input from the top to the bottom, made or stored.
class InputRows {
 public:
  InputRows(const VaeMaps& x, const MapShape& shape, int64_t most_rows) : stored_(x.stored) {
    if (!x.upsample) return;
    window_.emplace(shape, most_rows, x.stored, [&x](const torch::Tensor& out, int64_t begin) {
      Conv2d upsample = x.upsample;
      upsample->forward_rows({.x = x.stored, .upsampled = true, .out = out, .begin = begin});
    });
  }
  Rows at(int64_t begin, int64_t end) { return window_ ? window_->at(begin, end) : Rows{stored_}; }

 private:
  torch::Tensor stored_;
  std::optional<RowWindow> window_;
};

class BandedBlock {
 public:
  BandedBlock(const VaeBlockLayers& layers, VaeMaps x, int64_t band_rows)
      : layers_(layers), x_(std::move(x)) {
    const int64_t scale = x_.upsample ? 2 : 1;
    const int64_t height = scale * x_.stored.size(2), width = scale * x_.stored.size(3);
    input_ = {layers_.conv1->weight.size(1), height, width};
    output_ = {layers_.conv1->weight.size(0), height, width};
    const int64_t row =
        std::max(input_.channels, output_.channels) * width * x_.stored.element_size();
    const int64_t rows = band_rows > 0 ? band_rows : kBandBytes / row;
    rows_ = std::max(kTileRows, rows / kTileRows * kTileRows);
  }

  /// The output over the input.
  torch::Tensor over_input() {
    const auto& x = x_.stored;
    const auto norm1 = layers_.norm1->affine(x);
    const auto make = [&](const torch::Tensor& out, int64_t begin) {
      layers_.conv1->forward_rows({.x = x, .affine = norm1, .out = out, .begin = begin});
    };
    GroupMoments moments(output_.channels);
    {
      RowWindow between(output_, rows_, x, make);
      each_band([&](int64_t begin, int64_t end) { moments.add(between.at(begin, end).maps); });
    }
    const auto norm2 = layers_.norm2->affine(moments);
    // What is overwritten has been read: rows that two bands share are kept.
    RowWindow between(output_, rows_ + 2 * kTileRows, x, make);
    each_band([&](int64_t begin, int64_t end) {
      const auto out = x.narrow(2, begin, end - begin);
      second_convolution(between.at(begin - kTileRows, end + kTileRows), norm2, out, out, begin);
    });
    return x;
  }

  /// The output in the place of what lies between the convolutions.
  torch::Tensor over_middle() {
    const auto h = first_convolution({});
    const auto norm2 = layers_.norm2->affine(h);
    InputRows input(x_, input_, rows_);
    RowWindow between(output_, rows_ + 2, h, [&](const torch::Tensor& out, int64_t begin) {
      out.copy_(h.narrow(2, begin, out.size(2)));
    });
    const auto skip = empty_maps(output_, std::min(rows_, output_.height), h);
    each_band([&](int64_t begin, int64_t end) {
      const auto residual = skip.narrow(2, 0, end - begin);
      shortcut(input.at(begin, end), residual, begin);
      second_convolution(between.at(begin - 1, end + 1), norm2, residual,
                         h.narrow(2, begin, end - begin), begin);
    });
    return h;
  }

  /// The output in the place of the shortcut's.
  torch::Tensor over_skip() {
    const auto skip = empty_maps(output_, output_.height, x_.stored);
    const auto h = first_convolution(skip);
    x_.stored = torch::Tensor();
    return layers_.conv2->forward(
        h, {.norm = layers_.norm2.get(), .residual = skip, .in_residual = true});
  }

 private:
  template <typename Band>
  void each_band(const Band& band) const {
    for (int64_t begin = 0; begin < input_.height; begin += rows_) {
      band(begin, std::min(begin + rows_, input_.height));
    }
  }

  GroupAffine input_norm() {
    if (!x_.upsample) return layers_.norm1->affine(x_.stored);
    GroupMoments moments(input_.channels);
    InputRows input(x_, input_, rows_);
    each_band([&](int64_t begin, int64_t end) { moments.add(input.at(begin, end).maps); });
    return layers_.norm1->affine(moments);
  }

  /// All of its output; the shortcut's too, where there is a tensor for it.
  torch::Tensor first_convolution(const torch::Tensor& skip) {
    const auto norm1 = input_norm();
    auto h = empty_maps(output_, output_.height, x_.stored);
    InputRows input(x_, input_, rows_ + 2 * kTileRows);
    each_band([&](int64_t begin, int64_t end) {
      const auto rows = input.at(begin - kTileRows, end + kTileRows);
      layers_.conv1->forward_rows({.x = rows.maps,
                                   .first = rows.first,
                                   .affine = norm1,
                                   .out = h.narrow(2, begin, end - begin),
                                   .begin = begin});
      if (skip.defined()) shortcut(rows, skip.narrow(2, begin, end - begin), begin);
    });
    return h;
  }

  void shortcut(const Rows& rows, const torch::Tensor& out, int64_t begin) {
    layers_.shortcut->forward_rows(
        {.x = rows.maps, .first = rows.first, .out = out, .begin = begin});
  }

  void second_convolution(const Rows& rows, const GroupAffine& norm, const torch::Tensor& residual,
                          const torch::Tensor& out, int64_t begin) {
    layers_.conv2->forward_rows({.x = rows.maps,
                                 .first = rows.first,
                                 .affine = norm,
                                 .residual = residual,
                                 .out = out,
                                 .begin = begin});
  }

  VaeBlockLayers layers_;
  VaeMaps x_;
  MapShape input_{}, output_{};
  int64_t rows_ = 0;
};

}  // namespace

const torch::Tensor& VaeMaps::whole() {
  if (upsample) stored = upsample->forward(stored, {.upsampled = true});
  upsample = nullptr;
  return stored;
}

torch::Tensor block_in_bands(const VaeBlockLayers& layers, VaeMaps x, BlockPlan plan,
                             int64_t band_rows) {
  if (!layers.shortcut) x.whole();  // the output takes the input's place
  BandedBlock block(layers, std::move(x), band_rows);
  if (!layers.shortcut) return block.over_input();
  return plan == BlockPlan::kSkipHeld ? block.over_skip() : block.over_middle();
}

}  // namespace sd
