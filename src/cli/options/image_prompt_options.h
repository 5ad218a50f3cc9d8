#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "sd/core/ip_adapter_info.h"
#include "sd/core/step_share.h"

namespace sd::cli {

/// One --ip-adapter (ip_adapter_option.h): a picture that is followed beside the prompt.
struct IpAdapterOption {
  std::filesystem::path adapter;
  std::filesystem::path picture;
  double weight = 1;
  StepShare steps = {};  // in which it is followed

  bool operator==(const IpAdapterOption&) const = default;
};

/// Pictures that are followed.
struct ImagePromptOptions {
  std::vector<IpAdapterOption> adapters;
  std::optional<std::filesystem::path> vision;  // CLIP's vision tower; absent: beside the adapter
  IpWeights weights = IpWeights::kLinear;       // from block to block
};

}  // namespace sd::cli
