#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/weights/tensor_source.h"
#include "weights/diffusers_config.h"

namespace sd {

/// What a diffusers folder holds.
struct DiffusersFolder {
  std::unique_ptr<TensorSource> tensors;     // by CompVis names
  std::vector<std::filesystem::path> files;  // the weight files that were opened, the UNet's first
  ModelConfig config;
};

/// Opens unet/, vae/ and text_encoder/ of a folder with model_index.json, of each the weights that
/// find_part_weights chooses; what is brought from elsewhere may be absent. Throws IoError, or
/// CheckpointError naming what is missing or not supported.
DiffusersFolder open_diffusers_folder(const std::filesystem::path& folder,
                                      const Elsewhere& elsewhere = {});

}  // namespace sd
