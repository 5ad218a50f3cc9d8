#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/model_config.h"

namespace sd {

/// CLIP's vision tower (arXiv:2103.00020). The defaults are those of ViT-H/14.
struct VisionConfig {
  int64_t width = 1280;
  int64_t layers = 32;
  int64_t heads = 16;
  int64_t patch = 14;  // pixels a side
  int64_t side = 224;  // of the picture, pixels
  int64_t feed_forward = 5120;
  int64_t projection = 1024;  // of the picture's embedding
  TextActivation activation = TextActivation::kGelu;

  /// Patches and the class token.
  int64_t tokens() const { return side / patch * (side / patch) + 1; }
};

/// How an IP-Adapter makes tokens of what the vision tower sees.
enum class IpAdapterKind {
  kPlain,  // a projection of the picture's embedding
  kPlus,   // a resampler of its patches, faces too
  kFull,   // a projection of each patch: full-face
};
/// "plain", "plus", "full".
std::string_view name_of(IpAdapterKind kind);

/// What the tensors of an IP-Adapter (arXiv:2308.06721) tell of it.
struct IpAdapterInfo {
  IpAdapterKind kind = IpAdapterKind::kPlain;
  int64_t tokens = 4;     // that a picture becomes; kFull: 0, as many as the tower has
  int64_t width = 768;    // of a token: the UNet's context
  int64_t vision = 1024;  // of what it takes from the tower: the embedding, or a patch
  int64_t layers = 16;    // of cross-attention
  int64_t depth = 0;      // of kPlus's resampler
};

/// How the weight of a picture varies from one cross-attention layer to the next.
enum class IpWeights {
  kLinear,
  kEaseIn,
  kEaseOut,
  kWeakInput,
  kWeakMiddle,
  kWeakOutput,
  kStyle,
  kComposition,
};
/// "linear", "ease-in", …, in that order.
const std::vector<std::string>& ip_weights_names();
std::optional<IpWeights> find_ip_weights(std::string_view name);

/// What the weight is multiplied by in each of the 16 cross-attention layers of Stable Diffusion,
/// in the order down, middle, up (as sd-webui-controlnet counts them).
std::vector<double> block_weights(IpWeights weights);

}  // namespace sd
