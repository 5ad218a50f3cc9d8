#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sd/core/model_config.h"

namespace sd {

/// The JSON files of a diffusers folder, by their path in it: what read_diffusers_config reads back
/// as `config`, and diffusers' own pipeline loads. `source` is noted as where the model came from.
std::vector<std::pair<std::string, std::string>> diffusers_config_files(const ModelConfig& config,
                                                                        const std::string& source);

}  // namespace sd
