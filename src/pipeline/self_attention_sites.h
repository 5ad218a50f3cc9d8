#pragma once

#include <cstdint>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/nn/attention_controller.h"

namespace sd {

/// One layer of self-attention and how many channels its pixels have.
struct SelfAttentionSite {
  AttentionSite site;
  int64_t width = 0;
};

/// All of a UNet, in the order in which they run: 16 in Stable Diffusion v1.
std::vector<SelfAttentionSite> self_attention_sites(const UNetConfig& unet);

/// Whether a layer is one of the decoder's in the two finest sizes that attend: layers 10 to 15 of
/// Stable Diffusion v1's.
bool in_fine_decoder(const AttentionSite& site, const UNetConfig& unet);

/// The second block of the decoder's second level, in which Plug-and-Play begins: output_blocks 4
/// of Stable Diffusion v1. Throws UsageError for a UNet of one level.
int64_t second_level_block(const UNetConfig& unet);

}  // namespace sd
