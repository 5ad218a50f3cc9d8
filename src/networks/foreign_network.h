#pragma once

#include <filesystem>
#include <string>

#include "networks/contents.h"

namespace sd {

/// Throws CheckpointError for a LoRA of another family of models: Stable Diffusion XL, 3, FLUX.
void refuse_other_families(const Network::Contents& contents);

/// Throws CheckpointError that says what a file is that holds no LoRA.
[[noreturn]] void refuse_other_file(const std::filesystem::path& path);

/// "Stable Diffusion v1", "Stable Diffusion v2", by the widths that layers are made for, else by
/// metadata; empty where nothing tells.
std::string family_of(const Network::Contents& contents);

}  // namespace sd
