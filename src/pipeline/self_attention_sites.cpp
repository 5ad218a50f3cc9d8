#include "pipeline/self_attention_sites.h"

#include <algorithm>

#include "sd/core/error.h"

namespace sd {

std::vector<SelfAttentionSite> self_attention_sites(const UNetConfig& unet) {
  const auto levels = static_cast<int64_t>(unet.channel_mult.size());
  std::vector<SelfAttentionSite> sites;
  const auto add = [&](UNetPart part, int64_t block, int64_t level) {
    const auto width = unet.channel_mult.at(static_cast<std::size_t>(level)) * unet.model_channels;
    for (int64_t depth = 0; depth < unet.transformer_depth; ++depth) {
      sites.push_back({{AttentionKind::kSelf, part, block, depth, int64_t{1} << level}, width});
    }
  };
  const auto attends = [&](int64_t level) {
    return std::ranges::count(unet.attention_resolutions, int64_t{1} << level) > 0;
  };
  for (int64_t level = 0; level < levels; ++level) {
    for (int64_t i = 0; attends(level) && i < unet.num_res_blocks; ++i)
      add(UNetPart::kDown, level * (unet.num_res_blocks + 1) + 1 + i, level);
  }
  if (unet.middle == UNetMiddle::kFull) add(UNetPart::kMiddle, 1, levels - 1);
  for (int64_t up = 0; up < levels; ++up) {
    const int64_t level = levels - 1 - up;
    for (int64_t i = 0; attends(level) && i <= unet.num_res_blocks; ++i)
      add(UNetPart::kUp, up * (unet.num_res_blocks + 1) + i, level);
  }
  return sites;
}

bool in_fine_decoder(const AttentionSite& site, const UNetConfig& unet) {
  const auto finest = std::ranges::min(unet.attention_resolutions);
  return site.part == UNetPart::kUp && site.downsampling <= 2 * finest;
}

int64_t second_level_block(const UNetConfig& unet) {
  if (unet.channel_mult.size() < 2)
    throw UsageError("pnp: this model's UNet has one level, and features are of the second");
  return unet.num_res_blocks + 2;
}

}  // namespace sd
