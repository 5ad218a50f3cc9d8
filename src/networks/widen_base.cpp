#include "networks/widen_base.h"

#include <bit>
#include <cstring>

#include "networks/product.h"
#include "sd/core/mapped_file.h"
#include "weights/tensor_pieces.h"

namespace sd {
namespace {

constexpr int64_t kWidenGrain = 1 << 16;

/// `widen` of float_bits.h without branches, so that the compiler makes vectors of it.
float from_binary16(uint16_t half) {
  constexpr uint32_t kRebased = 112U << 23U;  // 127 - 15
  const uint32_t magnitude = half & 0x7fffU;
  const uint32_t normal = (magnitude << 13U) + kRebased;
  const uint32_t special = normal + kRebased;  // infinities and NaNs keep the highest exponent
  const auto subnormal =
      std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24F);
  uint32_t bits = magnitude >= 0x7c00U ? special : normal;
  bits = magnitude < 0x400U ? subnormal : bits;
  return std::bit_cast<float>(bits | static_cast<uint32_t>(half & 0x8000U) << 16U);
}

void widen_16_bits(const std::byte* from, float* to, int64_t count, bool bf16) {
  // Bytes of a file may lie anywhere.
  const auto half = [from](int64_t i) {
    uint16_t bits = 0;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    return bits;
  };
  if (bf16) {
    for (int64_t i = 0; i < count; ++i)
      to[i] = std::bit_cast<float>(static_cast<uint32_t>(half(i)) << 16U);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from_binary16(half(i));
  }
}

}  // namespace

void widen_base(const TensorView& view, std::span<float> values) {
  const bool plain =
      view.strides.empty() &&
      (view.dtype == DType::kF32 || view.dtype == DType::kF16 || view.dtype == DType::kBF16);
  if (!plain) {
    TensorPieces pieces(view, DType::kF32);
    std::size_t at = 0;
    for (auto bytes = pieces.next(); !bytes.empty(); bytes = pieces.next()) {
      std::memcpy(values.data() + at, bytes.data(), bytes.size());
      at += bytes.size() / sizeof(float);
    }
    return;
  }
  const auto* from = view.bytes.data();
  share_range(static_cast<int64_t>(values.size()), kWidenGrain, [&](int64_t first, int64_t end) {
    float* to = values.data() + first;
    if (view.dtype == DType::kF32) {
      std::memcpy(to, from + 4 * first, static_cast<std::size_t>(4 * (end - first)));
    } else {
      widen_16_bits(from + 2 * first, to, end - first, view.dtype == DType::kBF16);
    }
  });
  if (view.mapping != nullptr) view.mapping->drop(view.bytes);
}

}  // namespace sd
