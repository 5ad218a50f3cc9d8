#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sd/core/layer_names.h"
#include "sd/core/model_config.h"

namespace sd {

/// "down", "middle", "up": as options and messages spell it.
std::string_view name_of(LayerName::Part part);

/// A transformer block of a UNet: a self-attention and a cross-attention.
struct AttentionLayer {
  LayerName::Part part = LayerName::Part::kMiddle;
  int64_t block = 0;  // index in input_blocks / output_blocks as checkpoints number them; middle: 1
  int64_t depth = 0;  // transformer block inside the spatial transformer
  int64_t downsampling = 1;  // latent pixels a side that one query stands for
};

/// All of a UNet's, in the order in which they are called. Torch-free: what a control will act on
/// can be said before a model is loaded.
std::vector<AttentionLayer> attention_layers(const UNetConfig& config);

/// The side of the query grid of a layer, in latents whose side is `side`: halved as often as the
/// layer is below, rounded up.
int64_t side_of_layer(const AttentionLayer& layer, int64_t side);

}  // namespace sd
