#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sd/core/parameter_slot.h"
#include "sd/weights/tensor_source.h"

namespace sd {

/// What became of the names of a source and a module.
struct LoadReport {
  int64_t loaded = 0;
  std::vector<std::string>
      ignored;  // known leftovers: schedule buffers, position_ids, EMA copies, the loss
  std::vector<std::string> unexpected;  // in the file, not in the module, not known
};

struct LoadOptions {
  torch::Device device = torch::kCPU;
  torch::Dtype dtype = torch::kFloat;  // what weights are held in
  /// Weights that their layers rearrange stay in the mapped file until then, whatever their dtype
  /// (ParameterSlot::bind_as), so that they are never held twice. For a CPU.
  bool late = false;
  bool channels_last = false;  // convolutions' weights have a pixel's channels side by side
  /// Brings values to the device, in the dtype of their file; null: LibTorch does.
  std::function<torch::Tensor(const torch::Tensor&)> upload;
  /// Called after each tensor with (done, total); false stops with Cancelled.
  std::function<bool(int64_t, int64_t)> on_tensor;
};

/// Binds every slot of a module (parameter_slots in nn/layers.h) to the tensor of the same name in
/// `source`. Where dtype and device allow, the parameter is the mapped file itself; else it is
/// converted one tensor at a time, so that two copies never exist. Throws CheckpointError naming
/// the first few tensors that are missing or have another shape.
LoadReport load_weights(const std::vector<ParameterSlot>& wanted, const TensorSource& source,
                        const LoadOptions& options);

/// Throws CheckpointError as load_weights does where `source` does not hold all that is wanted.
void check_weights(const std::vector<ParameterSlot>& wanted, const TensorSource& source);

/// Lets a slot that has bind_source read its tensor anew for every call; the slot keeps `source`.
void stream_weight(const ParameterSlot& slot, std::shared_ptr<const TensorSource> source,
                   torch::Dtype held);

/// A tensor that wraps (not copies) what `view` shows and keeps the mapping alive. When the last
/// such tensor goes, because its values were converted or packed, the file's pages are given back.
torch::Tensor wrap_tensor(const TensorView& view);

}  // namespace sd
