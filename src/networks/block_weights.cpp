#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "sd/core/error.h"
#include "sd/networks/apply.h"

namespace sd {
namespace {

constexpr std::size_t kMiddle = 13, kFirstOut = 14, kBlocksOfASide = 12;

/// The number that follows `prefix` in `name`.
std::optional<std::size_t> block_after(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::size_t block = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), block);
  if (error != std::errc{} || block >= kBlocksOfASide) return std::nullopt;
  return block;
}

}  // namespace

double AppliedNetwork::multiplier_for(std::string_view parameter) const {
  if (!blocks.empty() && blocks.size() != kNetworkBlocks) {
    throw UsageError(
        fmt::format("{} block weights, expected {}: BASE, IN00 to IN11, M00, OUT00 to "
                    "OUT11",
                    blocks.size(), kNetworkBlocks));
  }
  const auto factor = [&](std::size_t block) { return blocks.empty() ? 1.0 : blocks[block]; };
  if (parameter.starts_with("cond_stage_model.")) return text_encoder * factor(0);
  if (const auto in = block_after(parameter, "model.diffusion_model.input_blocks."))
    return unet * factor(1 + *in);
  if (const auto out = block_after(parameter, "model.diffusion_model.output_blocks."))
    return unet * factor(kFirstOut + *out);
  if (parameter.starts_with("model.diffusion_model.middle_block.")) return unet * factor(kMiddle);
  return unet;
}

}  // namespace sd
