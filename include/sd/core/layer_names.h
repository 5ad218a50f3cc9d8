#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sd {

/// Layers of a UNet as people name them.
struct LayerName {
  enum class Part { kDown, kMiddle, kUp };
  Part part = Part::kMiddle;
  /// diffusers' number of a block (of several layers): the levels from the top on the way down,
  /// from the deepest on the way up. Absent with `layer` absent too: the whole part.
  std::optional<int64_t> block;
  std::optional<int64_t> layer;  // CompVis' number in input_blocks or output_blocks

  bool operator==(const LayerName&) const = default;
};

/// "mid,down1,up.0,output_blocks.5" with commas between: mid or middle_block, down or up with
/// diffusers' number of a block or without, input_blocks.N, output_blocks.N. Throws UsageError that
/// names `option` for what is none of these, and for none at all.
std::vector<LayerName> parse_layer_names(std::string_view option, std::string_view text);

}  // namespace sd
