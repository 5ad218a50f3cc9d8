#include "sd/weights/load_weights.h"

#include <ATen/ops/from_blob.h>
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "weights/expected_tensors.h"
#include "weights/leftovers.h"

namespace sd {
namespace {

torch::Dtype torch_dtype(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return torch::kDouble;
    case DType::kF32:
      return torch::kFloat;
    case DType::kF16:
      return torch::kHalf;
    case DType::kBF16:
      return torch::kBFloat16;
    case DType::kI64:
      return torch::kLong;
    case DType::kI32:
      return torch::kInt;
    case DType::kI16:
      return torch::kShort;
    case DType::kI8:
      return torch::kChar;
    case DType::kU8:
      return torch::kByte;
    case DType::kBool:
      return torch::kBool;
  }
  throw CheckpointError("unknown tensor dtype");
}

bool is_aligned(const TensorView& view) {
  return reinterpret_cast<std::uintptr_t>(view.bytes.data()) % size_of(view.dtype) == 0;
}

/// What a parameter becomes from a view: the mapping itself, or a converted copy.
torch::Tensor to_parameter(const TensorView& view, const LoadOptions& options) {
  const auto wrapped = wrap_tensor(view);
  auto value = options.upload ? options.upload(wrapped).to(options.dtype)
                              : wrapped.to(options.device, options.dtype);
  if (options.channels_last && value.dim() == 4) {
    value = value.contiguous(at::MemoryFormat::ChannelsLast);
  }
  if (value.is_same(wrapped) && (!is_aligned(view) || !wrapped.is_contiguous())) {
    value = wrapped.clone(at::MemoryFormat::Contiguous);
  }
  return value;
}

/// Whether a tensor may wait in its file for whoever rearranges it.
bool can_wait(const TensorView& view) {
  const bool known =
      view.dtype == DType::kF32 || view.dtype == DType::kF16 || view.dtype == DType::kBF16;
  return known && view.mapping != nullptr && is_aligned(view);
}

void bind_to(const ParameterSlot& slot, const TensorView& view, const LoadOptions& options) {
  if (options.late && slot.bind_as && can_wait(view)) {
    slot.bind_as(wrap_tensor(view), options.dtype);
  } else {
    slot.bind(to_parameter(view, options));
  }
}

}  // namespace

/// Everything that is missing or misshapen is found before the first tensor is read.
void check_weights(const std::vector<ParameterSlot>& wanted, const TensorSource& source) {
  std::vector<std::string> missing, mismatched;
  for (const auto& item : wanted) {
    if (!source.contains(item.name)) {
      missing.push_back(item.name);
      continue;
    }
    const auto shape = source.describe(item.name).shape;
    if (item.shape != shape) {
      mismatched.push_back(fmt::format("'{}' has shape {}, expected {}", item.name,
                                       shape_text(shape), shape_text(item.shape)));
    }
  }
  if (!mismatched.empty()) {
    throw CheckpointError(fmt::format(
        "{}: {}\nThe weights do not fit the configuration: check --config, or give another --ckpt.",
        source.label(), first_few(mismatched)));
  }
  if (!missing.empty()) {
    throw CheckpointError(fmt::format(
        "{}: {} of {} tensors are missing: {}\nThe file is incomplete or of another model family.",
        source.label(), missing.size(), wanted.size(), first_few(missing)));
  }
}

void stream_weight(const ParameterSlot& slot, std::shared_ptr<const TensorSource> source,
                   torch::Dtype held) {
  slot.bind_source(
      [source = std::move(source), name = slot.name, held] {
        const auto view = source->at(name);
        if (can_wait(view)) return wrap_tensor(view);
        LoadOptions options;
        options.dtype = held;
        return to_parameter(view, options);
      },
      held);
}

torch::Tensor wrap_tensor(const TensorView& view) {
  const auto options = at::TensorOptions().dtype(torch_dtype(view.dtype));
  // from_blob takes a mutable pointer; parameters are never written to.
  auto* bytes = const_cast<std::byte*>(view.bytes.data());
  // The values then live elsewhere, converted or packed; should they be wanted again, the pages are
  // read again.
  auto release = [view](void*) {
    if (view.mapping != nullptr) view.mapping->drop(view.bytes);
  };
  if (view.strides.empty()) return at::from_blob(bytes, view.shape, std::move(release), options);
  return at::from_blob(bytes, view.shape, view.strides, std::move(release), options);
}

LoadReport load_weights(const std::vector<ParameterSlot>& wanted, const TensorSource& source,
                        const LoadOptions& options) {
  check_weights(wanted, source);

  LoadReport report;
  std::unordered_set<std::string_view> used;
  for (const auto& item : wanted) {
    bind_to(item, source.at(item.name), options);
    used.insert(item.name);
    ++report.loaded;
    if (options.on_tensor &&
        !options.on_tensor(report.loaded, static_cast<int64_t>(wanted.size()))) {
      throw Cancelled();
    }
  }
  for (const auto& name : source.names()) {
    if (used.contains(name)) continue;
    (may_be_ignored(name) ? report.ignored : report.unexpected).push_back(name);
  }
  return report;
}

}  // namespace sd
