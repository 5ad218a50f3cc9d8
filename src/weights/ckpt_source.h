#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sd/weights/tensor_source.h"
#include "weights/file_bytes.h"

namespace sd {

/// Tensors of a PyTorch checkpoint: a zip archive with `data.pkl` (names, shapes, strides) and one
/// entry a storage, as torch.save has written it since PyTorch 1.6. The names are those of its
/// state_dict, at the top or below a key; what stands beside it (Lightning objects, optimizer
/// states) is left alone, and `foreign` is given the names of classes among it that are not known.
/// Every tensor is checked against its storage here. Throws CheckpointError.
std::unique_ptr<TensorSource> open_ckpt(const FileBytes& archive, const std::string& label,
                                        std::vector<std::string>* foreign = nullptr);

}  // namespace sd
