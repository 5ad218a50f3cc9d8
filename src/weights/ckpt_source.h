#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sd/weights/tensor_source.h"
#include "weights/file_bytes.h"
#include "weights/nested_tensors.h"

namespace sd {

/// Tensors of a PyTorch checkpoint: a zip archive with `data.pkl` (names, shapes, strides) and one
/// entry a storage, as torch.save has written it since PyTorch 1.6. Names are those of the
/// state_dict, which stands at the top or below a key. Other objects (Lightning's, optimizer
/// states) are passed over; `foreign` gets the names of unknown classes among them. Every tensor is
/// checked against its storage here. Throws CheckpointError.
std::unique_ptr<TensorSource> open_ckpt(const FileBytes& archive, const std::string& label,
                                        std::vector<std::string>* foreign = nullptr,
                                        const FindTensors* find = nullptr);

}  // namespace sd
