#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/weights/tensor_source.h"
#include "weights/file_bytes.h"
#include "weights/nested_tensors.h"

namespace sd {

/// How a file of torch.save without a zip begins: a pickle of the number 0x1950a86a20f9469cfc6c.
inline constexpr std::string_view kLegacyCkptMagic{
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14};

/// Tensors of a PyTorch checkpoint as torch.save wrote it before PyTorch 1.6 (and still does with
/// `_use_new_zipfile_serialization=False`): five pickles in a row (magic number, protocol 1001, the
/// writer's machine, the object, the keys of its storages), then for each key the number of
/// elements as int64 and the elements (torch/serialization.py, `_legacy_save`). Read like a `.ckpt`
/// in a zip: see open_ckpt. Throws CheckpointError.
std::unique_ptr<TensorSource> open_legacy_ckpt(const FileBytes& file, const std::string& label,
                                               std::vector<std::string>* foreign = nullptr,
                                               const FindTensors* find = nullptr);

}  // namespace sd
