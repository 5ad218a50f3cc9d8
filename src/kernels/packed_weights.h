#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/gemm_tables.h"
#include "kernels/huge_buffer.h"

namespace sd::kernels {

/// A layer's weights as they come: [columns][depth][taps], as matrices [out,in] and convolutions
/// [out,in,k,k] are stored.
struct WeightView {
  const void* values;
  bool bf16;  // else float32
  int64_t columns, depth, taps = 1;
  /// Columns are [a,b], halves of which a·gelu(b) will be made: each panel then holds as many of
  /// either, a's first.
  bool gated = false;
};

/// Weights in the order in which a micro-kernel reads them: panel after panel of its columns; of
/// each panel, chunk after chunk of the depth; of each chunk [taps][depth / unit][columns][unit],
/// where unit is the micro-kernel's depth. What is beyond the last column or depth is zero.
class PackedWeights {
 public:
  PackedWeights() = default;
  /// Makes room for weights of the shape of `weights`, as the micro-kernel of `isa` and `operands`
  /// takes them; those decide what is stored: float32, bf16 or 8 bits.
  PackedWeights(const WeightView& weights, Isa isa, Operands operands);
  /// Packs one panel; panels may be packed by several threads. For 8 bits each column gets a scale,
  /// its largest magnitude over 127.
  void fill(const WeightView& weights, int64_t panel);
  /// The weights as they came, [columns][depth][taps]: bf16 from 16 bits, else float32.
  void unpack(void* values) const;

  const GemmMicro& micro() const { return *micro_; }
  Isa isa() const { return isa_; }
  Operands operands() const { return operands_; }
  int64_t columns() const { return columns_; }
  int64_t depth() const { return depth_; }
  int64_t taps() const { return taps_; }
  bool gated() const { return gated_; }
  int64_t panels() const { return panels_; }
  int64_t chunks() const { return (padded_depth_ + chunk_ - 1) / chunk_; }
  /// Where a chunk begins along the depth, and how much of it there is with what fills the last
  /// unit.
  int64_t chunk_begin(int64_t chunk) const { return chunk * chunk_; }
  int64_t chunk_depth(int64_t chunk) const {
    return std::min(chunk_, padded_depth_ - chunk * chunk_);
  }
  /// [taps][chunk_depth / unit][micro().columns][unit].
  const std::byte* at(int64_t panel, int64_t chunk) const {
    return data_.as() + (panel * padded_depth_ + chunk * chunk_) * taps_ * micro_->columns * bytes_;
  }
  /// The bytes of a chunk of a panel as a micro-kernel reads them.
  std::size_t widened_bytes(int64_t chunk) const {
    return static_cast<std::size_t>(taps_ * chunk_depth(chunk) * micro_->columns) *
           sizeof(uint16_t);
  }
  /// A chunk of a panel as a micro-kernel reads it: itself, or for kInt8Pairs widened to `room`,
  /// widened_bytes(chunk) long.
  const std::byte* readable(int64_t panel, int64_t chunk, std::byte* room) const;
  bool is_widened() const { return operands_ == Operands::kInt8Pairs; }
  /// Which column of the source stands at `column` of a panel; columns() or more: none.
  int64_t source_column(int64_t panel, int64_t column) const;
  /// What products of each packed column are multiplied with, [panels · micro().columns]; empty but
  /// for 8 bits.
  const std::vector<float>& scales() const { return scales_; }
  std::size_t bytes() const { return data_.bytes(); }

 private:
  template <typename From, typename To>
  void fill_from(const From* from, int64_t panel);
  template <typename Stored, typename To>
  void unpack_to(To* to) const;

  const GemmMicro* micro_ = nullptr;
  Isa isa_ = Isa::kPlain;
  Operands operands_ = Operands::kFloats;
  int64_t columns_ = 0, depth_ = 0, taps_ = 1, panels_ = 0, padded_depth_ = 0, chunk_ = 0;
  int64_t bytes_ = 0;  // of an element
  bool gated_ = false;
  HugeBuffer data_;
  std::vector<float> scales_;
};

}  // namespace sd::kernels
