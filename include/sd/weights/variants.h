#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace sd {

/// Which variant of the weights is read from a diffusers folder where it is not the plain one
/// ("FOLDER: read the variant 'bf16' of unet and vae"); nothing for anything else. Throws IoError
/// or CheckpointError if a part has no weights.
std::optional<std::string> variant_notice(const std::filesystem::path& model);

}  // namespace sd
