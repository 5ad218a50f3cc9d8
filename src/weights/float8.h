#pragma once

#include <cstdint>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd {

/// An 8-bit floating-point format (arXiv:2209.05433, and the "fnuz" ones of arXiv:2206.02915): a
/// sign, an exponent, a mantissa.
struct Float8Format {
  /// What stands for no number.
  enum class Specials {
    kIeee,          // as in every IEEE format: infinities and NaNs have the highest exponent
    kFinite,        // no infinity; all bits but the sign set are NaN
    kUnsignedZero,  // neither infinity nor a negative zero, whose bits are NaN
  };
  std::string_view name;        // in a .safetensors
  std::string_view torch_name;  // of torch's dtype
  int mantissa_bits = 3;
  int bias = 7;
  Specials specials = Specials::kFinite;
};

/// The format that a .safetensors calls so; null for other names.
const Float8Format* float8_named(std::string_view name);
/// The format of torch's dtype `torch.NAME`; null for other names.
const Float8Format* float8_of_torch(std::string_view name);

/// The IEEE 754 binary16 of the same value, which all of these formats fit into exactly.
uint16_t widen_float8(const Float8Format& format, uint8_t bits);

/// A tensor whose bytes are in `format` as F16, made anew and owned by the view; its strides stay.
TensorView widened(const TensorView& bytes, const Float8Format& format);

}  // namespace sd
