#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "sd/text/tokenizer.h"
#include "trainer/run_context.h"
#include "trainer/scene.h"
#include "trainer/tensor_file.h"

namespace sd::train {

/// What a token of a caption is about, for attention supervision: a word of an object, of its tint,
/// of the background, or none of these. The numbers are kept in cache files.
enum class TokenGroup : uint8_t {
  kOther = 0,
  kObject0 = 1,
  kObject1 = 2,
  kTint0 = 3,
  kTint1 = 4,
  kBackground = 5,
};
inline constexpr int64_t kTokenGroups = 5;  // without kOther

/// Scenes as the UNet sees them.
struct EncodedScenes {
  torch::Tensor latents;  // [N,4,16,16] float16, scaled: mean 0, deviation 1
  torch::Tensor ids;      // [N,77] int32, CLIP's
  torch::Tensor groups;   // [N,77] uint8, TokenGroup
  torch::Tensor masks;    // [N,2,16,16] uint8, share of each latent pixel that the object covers

  int64_t size() const { return latents.size(0); }
};

/// Encodes the recipe's number of scenes, a file a chunk in `<folder>/latents/`; chunks that are
/// there already are taken as they are. They carry a fingerprint of the autoencoder: chunks of
/// another one are made anew. Returns false if stopped before the end.
bool encode_scenes(const RunContext& run, const SceneGenerator& scenes, const TensorMap& vae);

/// All chunks, in memory (3 KB a scene). Throws UsageError if there are none.
EncodedScenes read_encoded_scenes(const RunContext& run);

/// What a token of a caption is about; its words as the caption has them.
TokenGroup group_of(const std::vector<CaptionWord>& words, const Token& token);

/// One scene's caption as ids and groups.
void tokenize_caption(const Scene& scene, int64_t length, int32_t* ids, uint8_t* groups);

}  // namespace sd::train
