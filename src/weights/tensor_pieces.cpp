#include "weights/tensor_pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "weights/byte_reader.h"
#include "weights/float_bits.h"

namespace sd {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 20;

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// Calls `act(read)` with a function that reads element i of bytes in `dtype` as a number.
template <typename Act>
void with_reader(DType dtype, const std::byte* bytes, const Act& act) {
  switch (dtype) {
    case DType::kF64:
      return act([bytes](int64_t i) { return load<double>(bytes + 8 * i); });
    case DType::kF32:
      return act([bytes](int64_t i) { return load<float>(bytes + 4 * i); });
    case DType::kF16:
      return act([bytes](int64_t i) { return widen(kBinary16, load<uint16_t>(bytes + 2 * i)); });
    case DType::kBF16:
      return act([bytes](int64_t i) { return widen(kBFloat16, load<uint16_t>(bytes + 2 * i)); });
    default:
      throw CheckpointError(fmt::format("values of {} are not converted", name_of(dtype)));
  }
}

}  // namespace

bool is_floating(DType dtype) {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 ||
         dtype == DType::kBF16;
}

TensorPieces::TensorPieces(TensorView view, DType dtype)
    : view_(std::move(view)), dtype_(dtype), index_(view_.shape.size()) {
  if (dtype != view_.dtype && !(is_floating(dtype) && is_floating(view_.dtype))) {
    throw CheckpointError(
        fmt::format("values of {} are not converted to {}", name_of(view_.dtype), name_of(dtype)));
  }
  // Readers have checked the product.
  elements_ = checked_elements(view_.shape).value_or(0);
}

std::span<const std::byte> TensorPieces::next() {
  if (view_.mapping != nullptr) view_.mapping->drop(read_);
  read_ = {};
  const int64_t count = std::min(kPieceElements, elements_ - done_);
  if (count <= 0) {
    // The kernel maps neighbours of the pages that are read, also of tensors read before.
    if (view_.mapping != nullptr) view_.mapping->drop(view_.mapping->bytes());
    return {};
  }
  const auto bytes = view_.strides.empty() ? contiguous(count) : gathered(count);
  done_ += count;
  return dtype_ == view_.dtype ? bytes : convert(bytes);
}

std::span<const std::byte> TensorPieces::contiguous(int64_t count) {
  const std::size_t size = size_of(view_.dtype);
  read_ = view_.bytes.subspan(static_cast<std::size_t>(done_) * size,
                              static_cast<std::size_t>(count) * size);
  return read_;
}

/// Strided elements, e.g. of a transposed view, one behind the other.
std::span<const std::byte> TensorPieces::gathered(int64_t count) {
  const std::size_t size = size_of(view_.dtype);
  gathered_.resize(static_cast<std::size_t>(count) * size);
  for (int64_t i = 0; i < count; ++i) {
    int64_t offset = 0;
    for (std::size_t d = 0; d < index_.size(); ++d) offset += index_[d] * view_.strides[d];
    std::memcpy(gathered_.data() + static_cast<std::size_t>(i) * size,
                view_.bytes.data() + static_cast<std::size_t>(offset) * size, size);
    for (std::size_t d = index_.size(); d-- > 0;) {
      if (++index_[d] < view_.shape[d]) break;
      index_[d] = 0;
    }
  }
  return gathered_;
}

std::span<const std::byte> TensorPieces::convert(std::span<const std::byte> from) {
  const auto count = static_cast<int64_t>(from.size() / size_of(view_.dtype));
  converted_.resize(static_cast<std::size_t>(count) * size_of(dtype_));
  const auto store = [this](int64_t i, auto value) {
    std::memcpy(converted_.data() + static_cast<std::size_t>(i) * sizeof value, &value,
                sizeof value);
  };
  with_reader(view_.dtype, from.data(), [&](const auto& read) {
    const auto each = [&](const auto& narrow) {
      for (int64_t i = 0; i < count; ++i) {
        const auto value = read(i);
        const auto [stored, infinite] = narrow(value);
        store(i, stored);
        if (infinite && std::isfinite(value) && !overflow_) overflow_ = value;
      }
    };
    const auto to_half = [](HalfFormat format) {
      return [format](double value) {
        const uint16_t bits = round_to(format, value);
        return std::pair(bits, (bits & 0x7fff) == format.infinity());
      };
    };
    switch (dtype_) {
      case DType::kF64:
        return each([](double value) { return std::pair(value, false); });
      case DType::kF32:
        return each([](double value) {
          const auto narrowed = static_cast<float>(value);
          return std::pair(narrowed, std::isinf(narrowed));
        });
      case DType::kF16:
        return each(to_half(kBinary16));
      default:
        return each(to_half(kBFloat16));
    }
  });
  return converted_;
}

}  // namespace sd
