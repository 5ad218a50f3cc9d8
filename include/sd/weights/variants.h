#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace sd {

/// A sentence that says which variant of the weights is read from a diffusers folder ("FOLDER: read
/// the variant 'bf16' of unet and vae"). Nothing if the plain weights are read, or if `model` is no
/// such folder. Throws IoError or CheckpointError if a part has no weights.
std::optional<std::string> variant_notice(const std::filesystem::path& model);

}  // namespace sd
