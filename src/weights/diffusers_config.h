#pragma once

#include <filesystem>

#include "sd/core/model_config.h"

namespace sd {

/// Parts that are brought from elsewhere, so that a folder may lack them.
struct Elsewhere {
  bool vae = false;
  bool text = false;
};

/// Reads model_index.json and the config.json files of a diffusers folder. What a file leaves out
/// keeps SD v1's value; settings that would change the pictures and are not supported are refused.
/// Throws IoError, or CheckpointError naming file, key, what was expected and found.
ModelConfig read_diffusers_config(const std::filesystem::path& folder,
                                  const Elsewhere& elsewhere = {});

// One config.json alone; errors are the same. The autoencoder's tells the scale factor too, the
// UNet's the size of pictures.
void read_unet_config(const std::filesystem::path& file, ModelConfig& config);
void read_vae_config(const std::filesystem::path& file, ModelConfig& config);
void read_text_config(const std::filesystem::path& file, TextConfig& text);

}  // namespace sd
