#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sd/weights/tensor_source.h"
#include "weights/byte_reader.h"

namespace sd {

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  return 0;
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "F64";
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kI64:
      return "I64";
    case DType::kI32:
      return "I32";
    case DType::kI16:
      return "I16";
    case DType::kI8:
      return "I8";
    case DType::kU8:
      return "U8";
    case DType::kBool:
      return "BOOL";
  }
  return "?";
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

StoredAs TensorSource::stored(std::string_view name) const {
  const TensorView view = describe(name);
  // Shapes were checked when the file was opened.
  const auto elements = static_cast<uint64_t>(checked_elements(view.shape).value_or(0));
  return {name_of(view.dtype), elements * size_of(view.dtype)};
}

}  // namespace sd
