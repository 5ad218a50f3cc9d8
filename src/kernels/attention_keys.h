#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm_tables.h"
#include "kernels/huge_buffer.h"

namespace sd::kernels {

/// [rows][tokens][heads · size] as a projection leaves it, float32 or bf16: a token's heads lie side
/// by side. Strides are in elements, so that q, k and v may be parts of one product.
struct TokensView {
  const void* data;
  int64_t row_stride, token_stride;
};

struct KeysShape {
  int64_t rows, keys, heads, size;
  bool bf16;  // else float32
};

/// Keys and values in the order in which attention reads them. They may serve any number of calls:
/// those of a prompt stay the same over all steps.
class PackedKeys {
 public:
  PackedKeys() = default;
  /// Makes room in `memory`, which is of memory_for() bytes, aligned to 64 and the caller's, or of
  /// its own where that is null. Operands are those that `isa` is fastest with.
  PackedKeys(const KeysShape& shape, Isa isa, std::byte* memory = nullptr);
  /// For the micro-kernels of `isa` for `operands`: kBf16Pairs, of bf16 only, or kFloats.
  PackedKeys(const KeysShape& shape, Isa isa, Operands operands, std::byte* memory = nullptr);
  static std::size_t memory_for(const KeysShape& shape, Isa isa);

  /// Packing is cut into tasks that any threads may run in any order. A view without data leaves
  /// its half unpacked: values are not read for probabilities alone, nor keys where those are given.
  int64_t tasks() const { return 0; }
  void pack(int64_t task, const TokensView& k, const TokensView& v);

  const KeysShape& shape() const { return shape_; }

 private:
  KeysShape shape_{};
};

}  // namespace sd::kernels
