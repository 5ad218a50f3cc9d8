#include "weights/float8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "sd/core/mapped_file.h"
#include "weights/float_bits.h"

namespace sd {
namespace {

using Specials = Float8Format::Specials;

constexpr std::array kFormats = {
    Float8Format{"F8_E4M3", "float8_e4m3fn", 3, 7, Specials::kFinite},
    Float8Format{"F8_E5M2", "float8_e5m2", 2, 15, Specials::kIeee},
    Float8Format{"F8_E4M3FNUZ", "float8_e4m3fnuz", 3, 8, Specials::kUnsignedZero},
    Float8Format{"F8_E5M2FNUZ", "float8_e5m2fnuz", 2, 16, Specials::kUnsignedZero},
};

const Float8Format* found(std::string_view name, std::string_view Float8Format::*key) {
  const auto* format = std::ranges::find(kFormats, name, key);
  return format == kFormats.end() ? nullptr : format;
}

}  // namespace

const Float8Format* float8_named(std::string_view name) { return found(name, &Float8Format::name); }

const Float8Format* float8_of_torch(std::string_view name) {
  return found(name, &Float8Format::torch_name);
}

uint16_t widen_float8(const Float8Format& format, uint8_t bits) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr uint8_t kMagnitude = 0x7f;
  const int mantissa = bits & ((1 << format.mantissa_bits) - 1);
  const int exponent = (bits & kMagnitude) >> format.mantissa_bits;
  const int highest = kMagnitude >> format.mantissa_bits;
  const double sign = bits > kMagnitude ? -1 : 1;
  const double one = 1 << format.mantissa_bits;
  double value = exponent == 0 ? std::ldexp(mantissa / one, 1 - format.bias)
                               : std::ldexp(1 + mantissa / one, exponent - format.bias);
  switch (format.specials) {
    case Specials::kIeee:
      if (exponent == highest)
        value = mantissa == 0 ? std::numeric_limits<double>::infinity() : kNaN;
      break;
    case Specials::kFinite:
      if ((bits & kMagnitude) == kMagnitude) value = kNaN;
      break;
    case Specials::kUnsignedZero:
      if (bits == kMagnitude + 1) value = kNaN;
      break;
  }
  return round_to(kBinary16, std::copysign(value, sign));
}

TensorView widened(const TensorView& bytes, const Float8Format& format) {
  std::array<uint16_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = widen_float8(format, static_cast<uint8_t>(i));
  const auto values = std::make_shared<std::vector<uint16_t>>(bytes.bytes.size());
  std::ranges::transform(bytes.bytes, values->begin(),
                         [&](std::byte byte) { return table[std::to_integer<std::size_t>(byte)]; });
  if (bytes.mapping != nullptr) bytes.mapping->drop(bytes.bytes);
  TensorView view;
  view.dtype = DType::kF16;
  view.shape = bytes.shape;
  view.strides = bytes.strides;
  view.bytes = std::as_bytes(std::span(*values));
  view.owner = values;
  return view;
}

}  // namespace sd
