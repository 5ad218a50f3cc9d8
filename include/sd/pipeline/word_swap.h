#pragma once

#include <string>
#include <vector>

#include "sd/pipeline/swap.h"
#include "sd/pipeline/word_controls.h"

namespace sd {

/// A source, and targets that take from it what words say; the words are checked before anything
/// is drawn.
struct WordSwapRequest : DrawSettings {
  std::string source;
  std::vector<std::string> targets;  // at least one
  int64_t samples = 1;               // of each
  WordControls words;
  bool maps = true;  // also gather what pixels looked at; pictures do not depend on it
};

struct WordSwapResult : SwapResult {
  // [N,tokens,h,w] for each target, and of the source: see token_maps. Undefined where they were
  // not asked for. Targets' maps are those that were applied.
  std::vector<torch::Tensor> target_maps;
  torch::Tensor source_maps;
};

/// Draws a swap by words. `controller` and `latent_edit` of the request must be null: this makes
/// them. Where a local blend is not told which layers to look at, those of default_blend_res.
/// Throws UsageError for words that are in no prompt, and as `draw` does.
WordSwapResult swap_words(const LoadedModel& model, const WordSwapRequest& request,
                          NoiseSource& noise);
/// The same with the noise of the request's seed.
WordSwapResult swap_words(const LoadedModel& model, const WordSwapRequest& request);

}  // namespace sd
