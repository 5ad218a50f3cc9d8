#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sd::cli {

/// One --ip-adapter: a picture that is followed beside the prompt.
struct IpAdapterOption {
  std::filesystem::path adapter;
  std::filesystem::path picture;
  double weight = 1;
  double begin = 0;  // fractions of the steps
  double end = 1;

  bool operator==(const IpAdapterOption&) const = default;
};

/// Pictures that are followed.
struct ImagePromptOptions {
  std::vector<IpAdapterOption> adapters;
  std::optional<std::filesystem::path> vision;  // CLIP's vision tower; absent: beside the adapter
  std::string weights = "linear";               // how the weight varies from block to block
};

}  // namespace sd::cli
