#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "sd/control/local_blend.h"
#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"
#include "sd/text/control_words.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// Attention control as people say it, by words, and the rest of its settings. The defaults are
/// Prompt-to-Prompt as published. Latent pixels are stated for latents of 64 a side, whatever size
/// is drawn.
struct WordControls : ControlWords {
  SwapMode mode = SwapMode::kPromptToPrompt;
  double tthres = 0;  // of the fork's swap: timesteps below it are left alone
  StepShare self_steps = {0, 0.4};
  int64_t self_max_res = 16;  // self-attention of layers up to so many latent pixels a side
  double blend_threshold = 0.3;
  double blend_start = 0.2;
  std::optional<int64_t> blend_res;         // layers the blend looks at; absent: 16, as published
  std::optional<torch::Tensor> blend_mask;  // [1 or N,1,h,w], 1 = may differ; in place of words

  StepShare reweight_steps = {};
  /// These prompts are targets of a Prompt-to-Prompt swap whose source is not named: weights hold
  /// in the steps in which their words would follow it.
  bool of_swap = false;
  SiteFilter sites = {};          // layers and heads that all of this is restricted to
  std::optional<RowChoice> rows;  // absent: as each control was published

  bool blends() const { return !local_blend.empty() || blend_mask.has_value(); }
};

/// The controllers of one batch in the order in which they act: what targets take from the source,
/// then reweighting, then the blend, which looks at the result. They go into a Chain.
struct BatchControls {
  std::vector<std::shared_ptr<AttentionController>> links;
  std::vector<WordControlKind> kinds;  // of the links
  std::shared_ptr<LocalBlend> blend;   // also DrawSettings::latent_edit; null without a blend
};

/// Makes them for samples with these prompts. `tokenizer` is what the prompts are read with, a
/// PromptReader where they have a syntax. A word that some prompt lacks counts for the others:
/// check_words says whether any has it. Throws UsageError for what does not fit the prompts.
BatchControls make_word_controls(const WordControls& controls,
                                 const std::vector<PromptSet>& samples, const Tokenizer& tokenizer);

}  // namespace sd
