#pragma once

#include <torch/types.h>

#include <string>
#include <string_view>

#include "sd/control/map_recorder.h"
#include "sd/image/word_map.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// What one row of a batch paid to each token, [tokens,h,w] float32 on the CPU: mean over the
/// recorded steps, layers and heads, so that a pixel pays 1 in all. `height` and `width` are
/// usually those of the latents. Throws UsageError if nothing was recorded or there is no such row.
torch::Tensor token_maps(const MapRecorder& recorder, int64_t row, int64_t height, int64_t width);

/// The map of a word, or of what else PromptWords::find takes, among the maps [tokens,h,w] of its
/// prompt: the mean of its tokens' maps. `tokenizer` is what read the prompt. Throws UsageError,
/// listing the words there are, for one that is not there.
WordMap word_map(const torch::Tensor& maps, const std::string& prompt, const std::string& word,
                 const Tokenizer& tokenizer);

}  // namespace sd
