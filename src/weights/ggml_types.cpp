#include "weights/ggml_types.h"

#include <algorithm>
#include <array>
#include <bit>

namespace sd {
namespace {

// Numbers and names are ggml.h's; those without sizes are known by name only.
constexpr std::array kTypes = {
    GgmlType{0, "F32", DType::kF32, 0},       GgmlType{1, "F16", DType::kF16, 0},
    GgmlType{2, "Q4_0", std::nullopt, 18},    GgmlType{3, "Q4_1", std::nullopt, 20},
    GgmlType{6, "Q5_0", std::nullopt, 22},    GgmlType{7, "Q5_1", std::nullopt, 24},
    GgmlType{8, "Q8_0", std::nullopt, 34},    GgmlType{9, "Q8_1", std::nullopt, 0},
    GgmlType{10, "Q2_K", std::nullopt, 0},    GgmlType{11, "Q3_K", std::nullopt, 0},
    GgmlType{12, "Q4_K", std::nullopt, 0},    GgmlType{13, "Q5_K", std::nullopt, 0},
    GgmlType{14, "Q6_K", std::nullopt, 0},    GgmlType{15, "Q8_K", std::nullopt, 0},
    GgmlType{16, "IQ2_XXS", std::nullopt, 0}, GgmlType{17, "IQ2_XS", std::nullopt, 0},
    GgmlType{18, "IQ3_XXS", std::nullopt, 0}, GgmlType{19, "IQ1_S", std::nullopt, 0},
    GgmlType{20, "IQ4_NL", std::nullopt, 0},  GgmlType{21, "IQ3_S", std::nullopt, 0},
    GgmlType{22, "IQ2_S", std::nullopt, 0},   GgmlType{23, "IQ4_XS", std::nullopt, 0},
    GgmlType{24, "I8", DType::kI8, 0},        GgmlType{25, "I16", DType::kI16, 0},
    GgmlType{26, "I32", DType::kI32, 0},      GgmlType{27, "I64", DType::kI64, 0},
    GgmlType{28, "F64", DType::kF64, 0},      GgmlType{29, "IQ1_M", std::nullopt, 0},
    GgmlType{30, "BF16", DType::kBF16, 0},    GgmlType{34, "TQ1_0", std::nullopt, 0},
    GgmlType{35, "TQ2_0", std::nullopt, 0},   GgmlType{39, "MXFP4", std::nullopt, 0},
    GgmlType{40, "NVFP4", std::nullopt, 0},
};

constexpr std::size_t kHalf = kGgmlBlock / 2;

float half_at(std::span<const std::byte> bytes, std::size_t at) {
  const auto bits = std::to_integer<uint32_t>(bytes[at]) | std::to_integer<uint32_t>(bytes[at + 1])
                                                               << 8;
  const uint32_t sign = (bits & 0x8000u) << 16;
  const uint32_t exponent = bits >> 10 & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent == 0) {  // mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint32_t low(std::byte pair) { return std::to_integer<uint32_t>(pair) & 0x0fu; }
uint32_t high(std::byte pair) { return std::to_integer<uint32_t>(pair) >> 4; }

void q8_0(std::span<const std::byte> block, std::span<float> values) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = scale * static_cast<float>(std::to_integer<int8_t>(block[2 + i]));
}

/// 4-bit numbers: the low halves of 16 bytes are the first 16 elements, the high halves the others.
/// With `five`, a fifth bit of each comes from 4 bytes before them. Without an offset in the block
/// the numbers count from the middle of their range.
void nibbles(std::span<const std::byte> block, std::span<float> values, bool five, bool offset) {
  const float scale = half_at(block, 0);
  std::size_t at = 2;
  float minimum = 0;
  if (offset) {
    minimum = half_at(block, at);
    at += 2;
  }
  uint32_t fifth = 0;
  if (five) {
    for (std::size_t i = 0; i < 4; ++i)
      fifth |= std::to_integer<uint32_t>(block[at + i]) << (8 * i);
    at += 4;
  }
  const int32_t middle = offset ? 0 : five ? 16 : 8;
  for (std::size_t i = 0; i < kHalf; ++i) {
    const auto value = [&](uint32_t nibble, std::size_t element) {
      const uint32_t number = nibble | (fifth >> element & 1u) << 4;
      return static_cast<float>(static_cast<int32_t>(number) - middle) * scale + minimum;
    };
    values[i] = value(low(block[at + i]), i);
    values[i + kHalf] = value(high(block[at + i]), i + kHalf);
  }
}

}  // namespace

const GgmlType* find_ggml_type(uint32_t id) {
  const auto found =
      std::find_if(kTypes.begin(), kTypes.end(), [id](const auto& type) { return type.id == id; });
  return found == kTypes.end() ? nullptr : &*found;
}

void dequantise(const GgmlType& type, std::span<const std::byte> blocks, std::span<float> values) {
  const bool five = type.name.starts_with("Q5");
  const bool offset = type.name.ends_with("_1");
  for (std::size_t i = 0; i < values.size() / kGgmlBlock; ++i) {
    const auto block = blocks.subspan(i * type.block_bytes, type.block_bytes);
    const auto out = values.subspan(i * kGgmlBlock, kGgmlBlock);
    if (type.name == "Q8_0") {
      q8_0(block, out);
    } else {
      nibbles(block, out, five, offset);
    }
  }
}

}  // namespace sd
