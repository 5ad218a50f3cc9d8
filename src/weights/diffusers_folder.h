#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"
#include "weights/sharded_files.h"

namespace sd {

/// What a diffusers folder holds.
struct DiffusersFolder {
  std::unique_ptr<TensorSource> tensors;     // by CompVis names
  std::vector<std::filesystem::path> files;  // the weight files that were opened, the UNet's first
  ModelConfig config;
};

/// Opens unet/, vae/ and text_encoder/ of a folder with model_index.json. Of several variants in
/// one part the first of these is taken: .safetensors, .fp16.safetensors, .bin, .fp16.bin, each in
/// one file or in shards with an index. Throws IoError, or CheckpointError naming what is missing
/// or not supported.
DiffusersFolder open_diffusers_folder(const std::filesystem::path& folder);

/// The weight files of one part's folder, chosen as above. Throws CheckpointError if there are none.
ShardedFiles find_weights(const std::filesystem::path& part);

}  // namespace sd
