#include "networks/module_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sd/core/error.h"
#include "weights/byte_reader.h"
#include "weights/tensor_pieces.h"

namespace sd {

int64_t elements_of(std::span<const int64_t> shape) { return checked_elements(shape).value_or(0); }

void ModuleReader::fail(NetworkPart part, std::string_view what) const {
  throw CheckpointError(fmt::format("{}: '{}' {}", source_->label(), module_->key(part), what));
}

void ModuleReader::wrong_shape(NetworkPart part, std::string_view expected) const {
  const auto view = source_->describe(module_->key(part));
  fail(part, fmt::format("has shape {}, expected {}", shape_text(view.shape), expected));
}

void ModuleReader::require(NetworkPart part, std::string_view name, NetworkPart beside) const {
  if (has(part)) return;
  fail(beside, fmt::format("has no '{}' beside it: half of a pair is missing\n    The file is "
                           "incomplete; download it again.",
                           name));
}

std::vector<int64_t> ModuleReader::shape(NetworkPart part) const {
  auto view = source_->describe(module_->key(part));
  if (!is_floating(view.dtype)) {
    fail(part, fmt::format("holds {}, expected floating-point numbers", name_of(view.dtype)));
  }
  if (elements_of(view.shape) == 0) {
    fail(part, fmt::format("is empty: its shape is {}", shape_text(view.shape)));
  }
  return std::move(view.shape);
}

NetworkValues ModuleReader::values(NetworkPart part) const {
  NetworkValues read{shape(part), {}};
  const auto view = source_->at(module_->key(part));
  const auto count = static_cast<uint64_t>(elements_of(read.shape));
  // Strides of zero let a few bytes stand for any number of elements.
  if (count > view.bytes.size() / size_of(view.dtype)) {
    fail(part, fmt::format("repeats {} values to the shape {}, expected one for each element",
                           view.bytes.size() / size_of(view.dtype), shape_text(read.shape)));
  }
  read.values.resize(count);
  TensorPieces pieces(view, DType::kF32);
  std::size_t at = 0;
  for (auto bytes = pieces.next(); !bytes.empty(); bytes = pieces.next()) {
    std::memcpy(read.values.data() + at, bytes.data(), bytes.size());
    at += bytes.size() / sizeof(float);
  }
  const auto wrong = std::find_if(read.values.begin(), read.values.end(),
                                  [](float value) { return !std::isfinite(value); });
  if (wrong != read.values.end()) {
    fail(part, fmt::format("holds {}, expected finite numbers\n    Its training failed, or the "
                           "file is damaged.",
                           *wrong));
  }
  return read;
}

std::optional<double> ModuleReader::number(NetworkPart part) const {
  if (!has(part)) return std::nullopt;
  const auto view = source_->at(module_->key(part));
  if (elements_of(view.shape) != 1) wrong_shape(part, "a single number");
  double value = 0;
  const auto read = [&]<typename T>(T stored) {
    std::memcpy(&stored, view.bytes.data(), sizeof stored);
    value = static_cast<double>(stored);
  };
  switch (view.dtype) {
    case DType::kI64:
      read(int64_t{});
      break;
    case DType::kI32:
      read(int32_t{});
      break;
    case DType::kI16:
      read(int16_t{});
      break;
    case DType::kI8:
      read(int8_t{});
      break;
    case DType::kU8:
    case DType::kBool:
      read(uint8_t{});
      break;
    default: {
      TensorPieces pieces(view, DType::kF64);
      std::memcpy(&value, pieces.next().data(), sizeof value);
    }
  }
  if (!std::isfinite(value)) fail(part, fmt::format("is {}, expected a finite number", value));
  return value;
}

}  // namespace sd
