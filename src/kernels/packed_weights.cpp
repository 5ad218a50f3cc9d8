#include "kernels/packed_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

namespace sd::kernels {
namespace {

// Of a chunk's panel, so many bytes of float32 stay in the cache of a core while rows pass by.
constexpr int64_t kMatrixChunk = 1280, kConvolutionChunk = 128;

float value_of(float x) { return x; }
float value_of(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16U); }

/// To nearest, ties to even; NaN stays NaN.
uint16_t to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return static_cast<uint16_t>((bits | 0x400000U) >> 16U);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

template <typename To>
To stored(float x, float inverse_scale);
template <>
float stored<float>(float x, float) {
  return x;
}
template <>
uint16_t stored<uint16_t>(float x, float) {
  return to_bf16(x);
}
template <>
int8_t stored<int8_t>(float x, float inverse_scale) {
  return static_cast<int8_t>(std::clamp(std::nearbyint(x * inverse_scale), -127.0F, 127.0F));
}

int64_t rounded_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

int64_t PackedWeights::source_column(int64_t panel, int64_t column) const {
  if (!gated_) return panel * micro_->columns + column;
  const int64_t half = micro_->columns / 2, of_half = columns_ / 2;
  const bool second = column >= half;
  const int64_t at = panel * half + column - (second ? half : 0);
  if (at >= of_half) return columns_;
  return at + (second ? of_half : 0);
}

template <typename From, typename To>
void PackedWeights::fill(const WeightView& weights) {
  const auto* from = static_cast<const From*>(weights.values);
  auto* to = data_.as<To>();
  const int64_t width = micro_->columns, unit = micro_->depth;
  if constexpr (std::is_same_v<To, int8_t>) {
    scales_.assign(static_cast<std::size_t>(panels_ * width), 0.0F);
  }
  for (int64_t panel = 0; panel < panels_; ++panel) {
    for (int64_t column = 0; column < width; ++column) {
      const int64_t source = source_column(panel, column);
      const From* row = source < columns_ ? from + source * depth_ * taps_ : nullptr;
      float inverse_scale = 1.0F;
      if constexpr (std::is_same_v<To, int8_t>) {
        float largest = 0.0F;
        for (int64_t i = 0; row != nullptr && i < depth_ * taps_; ++i) {
          largest = std::max(largest, std::fabs(value_of(row[i])));
        }
        scales_[static_cast<std::size_t>(panel * width + column)] = largest / 127.0F;
        inverse_scale = largest > 0.0F ? 127.0F / largest : 0.0F;
      }
      for (int64_t chunk = 0; chunk < chunks(); ++chunk) {
        const int64_t begin = chunk_begin(chunk), count = chunk_depth(chunk);
        To* piece = to + (panel * padded_depth_ + begin) * taps_ * width;
        for (int64_t tap = 0; tap < taps_; ++tap) {
          To* tap_piece = piece + tap * count * width;
          const int64_t there = row == nullptr ? 0 : std::clamp<int64_t>(depth_ - begin, 0, count);
          const From* value = row + begin * taps_ + tap;
          for (int64_t i = 0; i < there; ++i, value += taps_) {
            tap_piece[(i / unit * width + column) * unit + i % unit] =
                stored<To>(value_of(*value), inverse_scale);
          }
          for (int64_t i = there; i < count; ++i) {
            tap_piece[(i / unit * width + column) * unit + i % unit] = To{};
          }
        }
      }
    }
  }
}

PackedWeights::PackedWeights(const WeightView& weights, Isa isa, Operands operands)
    : micro_(&gemm_micro(isa, operands)),
      isa_(isa),
      operands_(operands),
      columns_(weights.columns),
      depth_(weights.depth),
      taps_(weights.taps),
      gated_(weights.gated) {
  const int64_t per_panel = gated_ ? micro_->columns / 2 : micro_->columns;
  panels_ = ((gated_ ? columns_ / 2 : columns_) + per_panel - 1) / per_panel;
  padded_depth_ = rounded_up(depth_, micro_->depth);
  chunk_ = taps_ > 1 ? kConvolutionChunk : kMatrixChunk;
  bytes_ = operands == Operands::kFloats ? 4 : operands == Operands::kInt8Weights ? 1 : 2;
  data_ = HugeBuffer(
      static_cast<std::size_t>(panels_ * padded_depth_ * taps_ * micro_->columns * bytes_));
  const auto fill_from = [&]<typename From>(From) {
    if (bytes_ == 4) {
      fill<From, float>(weights);
    } else if (bytes_ == 2) {
      fill<From, uint16_t>(weights);
    } else {
      fill<From, int8_t>(weights);
    }
  };
  if (weights.bf16) {
    fill_from(uint16_t{});
  } else {
    fill_from(float{});
  }
}

}  // namespace sd::kernels
