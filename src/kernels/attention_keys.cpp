#include "kernels/attention_keys.h"

#include <algorithm>
#include <cstring>

#include "kernels/attention_micro.h"
#include "kernels/rounding.h"

namespace sd::kernels {
namespace {

constexpr int64_t kLine = 64;

// More keys a block make products deeper; fewer keep a block's logits in a core's first caches.
constexpr int64_t kMostKeys = 512;

/// Rows of a tile that are multiples of a power of two apart would share few places of a cache.
int64_t spread(int64_t bytes) {
  const int64_t lines = divided_up(bytes, kLine);
  return (lines + (lines % 2 == 0 ? 1 : 0)) * kLine;
}

Operands fastest(const KeysShape& shape, Isa isa) {
  return shape.bf16 && has_bf16_units(isa) ? Operands::kBf16Pairs : Operands::kFloats;
}

struct Sizes {
  int64_t unit, blocks, block_keys, key_stride, value_stride, head_bytes;

  Sizes(const KeysShape& shape, Operands operands) {
    const bool pairs = operands == Operands::kBf16Pairs;
    unit = pairs ? 2 : 1;
    const int64_t bytes = pairs ? 2 : 4;
    block_keys = divided_up(divided_up(shape.keys, divided_up(shape.keys, kMostKeys)), 2) * 2;
    blocks = divided_up(shape.keys, block_keys);
    key_stride = rounded_up(shape.size, unit) * bytes;
    if (key_stride >= 8 * kLine) key_stride = spread(key_stride);
    value_stride = spread(std::min(block_keys, rounded_up(shape.keys, unit)) * bytes);
    const int64_t head = shape.keys * key_stride + blocks * (shape.size + 1) * value_stride;
    head_bytes = rounded_up(head, kLine);
  }
};

}  // namespace

PackedKeys::PackedKeys(const KeysShape& shape, Isa isa, std::byte* memory)
    : PackedKeys(shape, isa, fastest(shape, isa), memory) {}

PackedKeys::PackedKeys(const KeysShape& shape, Isa isa, Operands operands, std::byte* memory)
    : shape_(shape), isa_(isa), operands_(operands), memory_(memory) {
  const Sizes sizes(shape, operands);
  unit_ = sizes.unit;
  blocks_ = sizes.blocks;
  block_keys_ = sizes.block_keys;
  key_stride_ = sizes.key_stride;
  value_stride_ = sizes.value_stride;
  head_bytes_ = sizes.head_bytes;
  if (memory_ != nullptr) return;
  own_ = HugeBuffer(static_cast<std::size_t>(shape.rows * shape.heads * head_bytes_));
  memory_ = own_.as();
}

std::size_t PackedKeys::memory_for(const KeysShape& shape, Isa isa) {
  const Sizes sizes(shape, fastest(shape, isa));
  return static_cast<std::size_t>(shape.rows * shape.heads * sizes.head_bytes);
}

void PackedKeys::pack(int64_t task, const TokensView& k, const TokensView& v) {
  const int64_t block = task % blocks_, head = task / blocks_ % shape_.heads;
  const int64_t row = task / blocks_ / shape_.heads;
  const int64_t bytes = shape_.bf16 ? 2 : 4;
  const auto begin = [&](const TokensView& view) {
    return static_cast<const char*>(view.data) +
           (row * view.row_stride + block * block_keys_ * view.token_stride + head * shape_.size) *
               bytes;
  };
  std::byte* to = at(row, head);
  if (k.data != nullptr) {
    pack_keys(block, begin(k), k.token_stride * bytes, to + block * block_keys_ * key_stride_);
  }
  if (v.data != nullptr) {
    to += shape_.keys * key_stride_ + block * (shape_.size + 1) * value_stride_;
    pack_values(block, begin(v), v.token_stride, to);
  }
}

void PackedKeys::pack_keys(int64_t block, const char* from, int64_t stride, std::byte* to) const {
  const auto& micro = attention_micro(isa_, operands_);
  const bool widens = shape_.bf16 && operands_ == Operands::kFloats;
  const auto bytes = static_cast<std::size_t>(shape_.size * element_bytes());
  const auto padding = static_cast<std::size_t>(size_steps() * 4) - bytes;
  for (int64_t key = keys_of(block); key > 0; --key, from += stride, to += key_stride_) {
    if (widens) {
      micro.bf16_as_floats(reinterpret_cast<const uint16_t*>(from), reinterpret_cast<float*>(to),
                           shape_.size);
    } else {
      std::memcpy(to, from, bytes);
      std::memset(to + bytes, 0, padding);
    }
  }
}

void PackedKeys::pack_values(int64_t block, const char* from, int64_t stride, std::byte* to) const {
  const auto& micro = attention_micro(isa_, operands_);
  const int64_t keys = keys_of(block);
  const bool pairs = operands_ == Operands::kBf16Pairs;
  const auto transpose = pairs         ? micro.bf16_transposed
                         : shape_.bf16 ? micro.bf16_as_floats_transposed
                                       : micro.floats_transposed;
  transpose({from, stride, keys, shape_.size, to, value_stride_ / element_bytes()});
  std::byte* ones = to + shape_.size * value_stride_;
  if (pairs) {
    constexpr uint16_t kOne = 0x3f80;
    std::fill_n(reinterpret_cast<uint16_t*>(ones), keys, kOne);
  } else {
    std::fill_n(reinterpret_cast<float*>(ones), keys, 1.0F);
  }
  // The last pair's second is multiplied too.
  const auto padding = static_cast<std::size_t>(key_steps(keys) * 4 - keys * element_bytes());
  for (int64_t i = 0; i <= shape_.size; ++i, to += value_stride_) {
    std::memset(to + keys * element_bytes(), 0, padding);
  }
}

}  // namespace sd::kernels
