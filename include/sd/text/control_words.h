#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/core/step_share.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// When one word follows the source, or all words do.
struct WordSteps {
  std::string word;  // as PromptWords::find takes it; empty: all words
  StepShare steps;
};

/// How much more, or less, attention a word is paid.
struct WordWeight {
  std::string word;            // as PromptWords::find takes it
  std::vector<double> values;  // one, or one for each sample of a batch; may be negative
};

/// What targets take from their source.
enum class SwapMode {
  kFork,            // the fork's swap of aligned ids (fork_swap.h)
  kPromptToPrompt,  // arXiv:2208.01626 (prompt_to_prompt.h, self_injection.h)
  kNone,            // no maps: only what RowSharing gives them
};

/// The controls that words make, by what they do to attention.
enum class WordControlKind {
  kForkSwap,   // fork_swap.h
  kCross,      // prompt_to_prompt.h
  kSelf,       // self_injection.h
  kReweight,   // reweight.h
  kLocalBlend  // local_blend.h
};

/// The words that a swap goes by, named as PromptWords::find takes them.
struct SwapWords {
  /// Cross-attention follows the source from 0 to 0.8 of the steps unless all words, or one, are
  /// told otherwise; later ones win.
  std::vector<WordSteps> cross_steps;
  std::vector<std::string> cross_box;  // of the source: PromptToPromptOptions::boxes
  /// Where these are looked at, and only there, a target may differ from its source; none:
  /// everywhere.
  std::vector<std::string> local_blend;
  std::vector<std::string> blend_except;  // and not where these are looked at
};

/// The words that attention control goes by. Torch-free, so that they can be checked before a model
/// is loaded; sd/pipeline/word_controls.h makes controllers of them.
struct ControlWords : SwapWords {
  std::vector<WordWeight> reweight;
};

/// The prompts of one sample; all samples of a batch have equally many targets.
struct PromptSet {
  std::vector<std::string> targets;
  std::optional<std::string> source;  // absent: nothing is drawn beside
  const ControlWords* own = nullptr;  // the words of this sample; null: the batch's
};

/// What errors call a field of ControlWords or PromptSet, "cross_box".
using FieldLabel = std::string (*)(std::string_view field);
/// The field's own name.
std::string own_label(std::string_view field);

/// Positions of `word` in the ids of `prompt`. Throws UsageError, beginning with `field`, if it is
/// not there or was cut off.
std::vector<int64_t> word_positions(std::string_view field, const std::string& prompt,
                                    const std::string& word, const Tokenizer& tokenizer);

/// Checks that each word of `words` is in the prompts that it is looked for in. Throws
/// UsageError, listing the words there are.
void check_words(const ControlWords& words, const PromptSet& prompts, const Tokenizer& tokenizer,
                 FieldLabel label = own_label);

inline constexpr int64_t kPublishedBlendRes = 16;

/// The layers that a local blend looks at unless told otherwise: the published code's maps of 16x16
/// (of latents of 64 a side, 16), or where latents of `latent_side` are smaller those of the layers
/// that still have 16, since maps of 4x4 would let a blend change nearly everything.
int64_t default_blend_res(const ModelConfig& config, int64_t latent_side);

}  // namespace sd
