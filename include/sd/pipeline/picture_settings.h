#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sd/core/concept_edit.h"
#include "sd/core/few_step_settings.h"
#include "sd/core/guidance_settings.h"
#include "sd/core/sampler_table.h"
#include "sd/text/prompt_reader.h"

namespace sd {

/// What decides about a picture and needs no LibTorch to be said. The options of the command line
/// and the requests of the library share it: a field that is added here is filled in by an option's
/// row and read where the picture is drawn, and nobody hands it over in between.
struct PictureSettings : GuidanceSettings, FewStepSettings {
  std::string negative_prompt;
  /// How prompts are read. The default is what the original scripts do.
  PromptSyntax prompt_syntax = PromptSyntax::kPlain;
  /// Which hidden state from the end of the text encoder, then its final norm, is the context: 1 is
  /// the last (as AUTOMATIC1111 counts).
  int64_t clip_skip = 1;
  int64_t steps = 50;
  double eta = 0.0;  // DDIM's; must be 0 for all others
  /// How noise levels are spaced; absent: as is usual for the sampler. DDIM and PLMS take none.
  std::optional<SchedulerKind> scheduler;
  /// DeepCache (arXiv:2312.00858): the deep layers of the UNet are computed every so many steps,
  /// and what they made is used again in between. 1: in every step, exactly.
  int64_t deepcache = 1;
  /// Token merging (arXiv:2303.17604): the share of a layer's pixels, 0 to 0.75, that is merged
  /// into others before self-attention at the latents' own size. 0: none, exactly.
  double token_merging = 0;
  /// Concepts that targets are pushed towards or away from beside their prompts; a source is left
  /// alone. A scale of 0 leaves one out.
  std::vector<ConceptEdit> concept_edits;
};

}  // namespace sd
