#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/gemm_tables.h"
#include "kernels/huge_buffer.h"

namespace sd::kernels {

/// [rows][tokens][heads · size] as a projection leaves it, float32 or bf16: a token's heads lie
/// side by side. Strides are in elements, so that q, k and v may be parts of one product.
struct TokensView {
  const void* data;
  int64_t row_stride, token_stride;
};

struct KeysShape {
  int64_t rows, keys, heads, size;  // of none 0
  bool bf16;                        // else float32
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
  /// its half unpacked: values are not read for probabilities alone, nor keys where those are
  /// given.
  int64_t tasks() const { return shape_.rows * shape_.heads * blocks_; }
  void pack(int64_t task, const TokensView& k, const TokensView& v);

  const KeysShape& shape() const { return shape_; }
  Isa isa() const { return isa_; }
  Operands operands() const { return operands_; }
  /// Keys are taken block by block; all blocks but the last have as many.
  int64_t blocks() const { return blocks_; }
  int64_t block_keys() const { return block_keys_; }
  int64_t keys_of(int64_t block) const {
    return std::min(block_keys_, shape_.keys - block * block_keys_);
  }
  int64_t element_bytes() const { return operands_ == Operands::kBf16Pairs ? 2 : 4; }
  /// Sizes in the units of the micro-kernel's depth: one float32 or a pair of bf16.
  int64_t size_steps() const { return (shape_.size + unit_ - 1) / unit_; }
  int64_t key_steps(int64_t keys) const { return (keys + unit_ - 1) / unit_; }
  /// [keys of the block][size], rows key_stride() bytes apart.
  const std::byte* keys_at(int64_t row, int64_t head, int64_t block) const {
    return at(row, head) + block * block_keys_ * key_stride_;
  }
  int64_t key_stride() const { return key_stride_; }
  /// [size + 1][keys of the block], rows value_stride() bytes apart; the last row is ones, whose
  /// product with probabilities is their sum.
  const std::byte* values_at(int64_t row, int64_t head, int64_t block) const {
    return at(row, head) + shape_.keys * key_stride_ + block * (shape_.size + 1) * value_stride_;
  }
  int64_t value_stride() const { return value_stride_; }

 private:
  std::byte* at(int64_t row, int64_t head) const {
    return memory_ + (row * shape_.heads + head) * head_bytes_;
  }
  void pack_keys(int64_t block, const char* from, int64_t stride, std::byte* to) const;
  void pack_values(int64_t block, const char* from, int64_t stride, std::byte* to) const;

  KeysShape shape_{};
  Isa isa_ = Isa::kPlain;
  Operands operands_ = Operands::kFloats;
  int64_t unit_ = 1, blocks_ = 0, block_keys_ = 0;
  int64_t key_stride_ = 0, value_stride_ = 0, head_bytes_ = 0;  // bytes
  std::byte* memory_ = nullptr;
  HugeBuffer own_;
};

}  // namespace sd::kernels
