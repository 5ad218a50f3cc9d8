#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "sd/weights/tensor_source.h"

namespace sd::pickle {

/// A storage of bytes, whose tensors say themselves what they are of.
inline constexpr std::string_view kBytesStorage = "UntypedStorage";

/// What the machine does when a pickle calls a global.
enum class Callable {
  kInert,             // a placeholder comes back
  kOrderedDict,       // collections.OrderedDict
  kRebuildTensor,     // torch._utils._rebuild_tensor, _rebuild_tensor_v2 and _rebuild_tensor_v3
  kRebuildParameter,  // torch._utils._rebuild_parameter and _rebuild_parameter_with_state
  kSize,              // torch.Size
};

Callable classify(std::string_view module, std::string_view name);

/// "HalfStorage" → F16; nothing for storages of other types (complex, quantised).
std::optional<DType> storage_dtype(std::string_view type);

/// Bytes of one element of a storage, of the types that are not read too; nothing for what torch
/// does not have.
std::optional<std::size_t> storage_element_size(std::string_view type);

}  // namespace sd::pickle
