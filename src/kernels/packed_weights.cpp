#include "kernels/packed_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "kernels/rounding.h"

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
void PackedWeights::fill_from(const From* from, int64_t panel) {
  const int64_t width = micro_->columns, unit = micro_->depth;
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
      To* piece = data_.as<To>() + (panel * padded_depth_ + begin) * taps_ * width;
      const int64_t there = row == nullptr ? 0 : std::clamp<int64_t>(depth_ - begin, 0, count);
      for (int64_t tap = 0; tap < taps_; ++tap) {
        To* tap_piece = piece + tap * count * width;
        for (int64_t i = 0; i < there; ++i) {
          tap_piece[(i / unit * width + column) * unit + i % unit] =
              stored<To>(value_of(row[(begin + i) * taps_ + tap]), inverse_scale);
        }
        for (int64_t i = there; i < count; ++i) {
          tap_piece[(i / unit * width + column) * unit + i % unit] = To{};
        }
      }
    }
  }
}

void PackedWeights::fill(const WeightView& weights, int64_t panel) {
  const auto fill_as = [&](const auto* from) {
    using From = std::remove_cvref_t<decltype(*from)>;
    if (bytes_ == 4) {
      fill_from<From, float>(from, panel);
    } else if (bytes_ == 2) {
      fill_from<From, uint16_t>(from, panel);
    } else {
      fill_from<From, int8_t>(from, panel);
    }
  };
  if (weights.bf16) {
    fill_as(static_cast<const uint16_t*>(weights.values));
  } else {
    fill_as(static_cast<const float*>(weights.values));
  }
}

const std::byte* PackedWeights::readable(int64_t panel, int64_t chunk, std::byte* room) const {
  const std::byte* from = at(panel, chunk);
  if (!is_widened()) return from;
  widen_for(isa_)(reinterpret_cast<const int8_t*>(from), reinterpret_cast<uint16_t*>(room),
                  static_cast<int64_t>(widened_bytes(chunk) / sizeof(uint16_t)));
  return room;
}

template <typename Stored, typename To>
void PackedWeights::unpack_to(To* to) const {
  const int64_t width = micro_->columns, unit = micro_->depth;
  for (int64_t panel = 0; panel < panels_; ++panel) {
    for (int64_t chunk = 0; chunk < chunks(); ++chunk) {
      const int64_t begin = chunk_begin(chunk), tap_stride = chunk_depth(chunk) * width;
      const int64_t count = std::min(chunk_depth(chunk), depth_ - begin);
      const auto* piece = reinterpret_cast<const Stored*>(at(panel, chunk));
      for (int64_t column = 0; column < width; ++column) {
        const int64_t source = source_column(panel, column);
        if (source >= columns_) continue;
        To* out = to + (source * depth_ + begin) * taps_;
        const Stored* units = piece + column * unit;  // one of each `width * unit` values
        for (int64_t i = 0; i < count; i += unit, units += width * unit) {
          for (int64_t u = 0; u < std::min(unit, count - i); ++u) {
            for (int64_t tap = 0; tap < taps_; ++tap, ++out) {
              const Stored value = units[tap * tap_stride + u];
              if constexpr (std::is_same_v<Stored, int8_t>) {
                *out = static_cast<float>(value) *
                       scales_[static_cast<std::size_t>(panel * width + column)];
              } else {
                *out = value;
              }
            }
          }
        }
      }
    }
  }
}

void PackedWeights::unpack(void* values) const {
  if (bytes_ == 4) {
    unpack_to<float>(static_cast<float*>(values));
  } else if (bytes_ == 2) {
    unpack_to<uint16_t>(static_cast<uint16_t*>(values));
  } else {
    unpack_to<int8_t>(static_cast<float*>(values));
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
  const bool int8 = operands == Operands::kInt8Weights || operands == Operands::kInt8Pairs;
  bytes_ = operands == Operands::kFloats ? 4 : int8 ? 1 : 2;
  data_ = HugeBuffer(
      static_cast<std::size_t>(panels_ * padded_depth_ * taps_ * micro_->columns * bytes_));
  if (bytes_ == 1) scales_.resize(static_cast<std::size_t>(panels_ * micro_->columns));
}

}  // namespace sd::kernels
