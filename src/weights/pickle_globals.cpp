#include "weights/pickle_globals.h"

#include <array>
#include <utility>

namespace sd::pickle {
namespace {

struct Row {
  std::string_view module;
  std::string_view name;
  Callable callable;
};

constexpr std::array kCallables = {
    Row{"collections", "OrderedDict", Callable::kOrderedDict},
    Row{"torch._utils", "_rebuild_tensor", Callable::kRebuildTensor},
    Row{"torch._utils", "_rebuild_tensor_v2", Callable::kRebuildTensor},
    Row{"torch._utils", "_rebuild_tensor_v3", Callable::kRebuildTensor},
    Row{"torch._utils", "_rebuild_parameter", Callable::kRebuildParameter},
    Row{"torch._utils", "_rebuild_parameter_with_state", Callable::kRebuildParameter},
    Row{"torch", "Size", Callable::kSize},
};

constexpr std::array<std::pair<std::string_view, DType>, 10> kStorages = {{
    {"DoubleStorage", DType::kF64},
    {"FloatStorage", DType::kF32},
    {"HalfStorage", DType::kF16},
    {"BFloat16Storage", DType::kBF16},
    {"LongStorage", DType::kI64},
    {"IntStorage", DType::kI32},
    {"ShortStorage", DType::kI16},
    {"CharStorage", DType::kI8},
    {"ByteStorage", DType::kU8},
    {"BoolStorage", DType::kBool},
}};

constexpr std::array<std::pair<std::string_view, std::size_t>, 6> kOtherStorages = {{
    {kBytesStorage, 1},
    {"ComplexFloatStorage", 8},
    {"ComplexDoubleStorage", 16},
    {"QInt8Storage", 1},
    {"QUInt8Storage", 1},
    {"QInt32Storage", 4},
}};

}  // namespace

Callable classify(std::string_view module, std::string_view name) {
  for (const Row& row : kCallables) {
    if (row.module == module && row.name == name) return row.callable;
  }
  return Callable::kInert;
}

std::optional<DType> storage_dtype(std::string_view type) {
  for (const auto& [name, dtype] : kStorages) {
    if (name == type) return dtype;
  }
  return std::nullopt;
}

std::optional<std::size_t> storage_element_size(std::string_view type) {
  if (const auto dtype = storage_dtype(type)) return size_of(*dtype);
  for (const auto& [name, size] : kOtherStorages) {
    if (name == type) return size;
  }
  return std::nullopt;
}

}  // namespace sd::pickle
