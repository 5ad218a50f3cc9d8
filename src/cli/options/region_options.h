#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sd/core/concept_edit.h"
#include "sd/image/mask.h"

namespace sd::cli {

/// One --region: where a prompt of its own holds.
struct RegionOption {
  std::optional<ShareBox> box;  // absent: where `mask` is white
  std::filesystem::path mask;
  std::string prompt;

  bool operator==(const RegionOption&) const = default;
};

/// What weighs the prompts of regions.
enum class RegionMode {
  kLatent,     // predictions ("latent couple")
  kAttention,  // what cross-attention gives ("attention couple")
};

inline constexpr double kDefaultRegionBase = 0.2;

/// Prompts that hold in a part of the picture.
struct RegionOptions {
  std::vector<RegionOption> regions;
  double base = kDefaultRegionBase;  // how much the prompt itself counts beside them
  double feather = 0;                // pixels by which their edges are softened
  RegionMode mode = RegionMode::kLatent;
};

/// "0,0,0.5,1:a cat" (a box in shares of the picture) or "left.png:a cat" (where it is white).
/// Throws UsageError, beginning with `option`: a box outside of the picture, no prompt.
RegionOption parse_region(const std::string& option, const std::string& text);

/// "+sunglasses", "-hat:7", "+sunglasses:5:0.9:0.1:1" (scale, threshold, the shares of the steps
/// between which it acts). Throws UsageError, beginning with `option`.
ConceptEdit parse_concept_edit(const std::string& option, const std::string& text);

}  // namespace sd::cli
