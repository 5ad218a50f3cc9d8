#pragma once

#include <filesystem>
#include <optional>

#include "sd/core/ip_adapter_info.h"
#include "sd/core/model_config.h"

namespace sd {

/// The vision tower of an adapter: `vision`, else what lies beside it. Throws IoError, naming where
/// was looked, if there is none.
std::filesystem::path vision_of(const std::filesystem::path& adapter,
                                const std::optional<std::filesystem::path>& vision);

/// Checks, from headers alone, that an adapter, its vision tower and a model belong together.
/// Throws CheckpointError with both numbers, UsageError for weights by block where a UNet has other
/// blocks than Stable Diffusion, IoError.
void check_ip_adapter(const std::filesystem::path& adapter,
                      const std::optional<std::filesystem::path>& vision, IpWeights weights,
                      const UNetConfig& unet);

/// How many cross-attention layers a UNet has.
int64_t count_cross_layers(const UNetConfig& unet);

}  // namespace sd
