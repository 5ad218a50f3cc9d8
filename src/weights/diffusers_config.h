#pragma once

#include <filesystem>

#include "sd/core/model_config.h"

namespace sd {

/// Reads model_index.json and the config.json files of a diffusers folder. What a file leaves out
/// keeps SD v1's value; settings that would change the pictures and are not supported are refused.
/// Throws IoError, or CheckpointError naming file, key, what was expected and found.
ModelConfig read_diffusers_config(const std::filesystem::path& folder);

// One config.json alone; errors are the same. The autoencoder's tells the scale factor too.
void read_vae_config(const std::filesystem::path& file, ModelConfig& config);
void read_text_config(const std::filesystem::path& file, TextConfig& text);

}  // namespace sd
