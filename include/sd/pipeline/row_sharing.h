#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "sd/control/word_masks.h"
#include "sd/core/row_sharing_settings.h"
#include "sd/text/control_words.h"
#include "sd/text/tokenizer.h"

namespace sd {

struct Inversion;  // pipeline/inversion.h

/// Which rows of a batch look at other rows in self-attention, and what that needs beside the
/// settings. Nothing of it goes with token merging, DeepCache or self-attention guidance.
struct RowSharing : RowSharingSettings {
  /// The picture that `reference` looks at, [1,3,H,W] in [-1,1], as large as what is drawn.
  torch::Tensor picture = {};
  /// MasaCtrl's masks, which are also at the end of the batch's controller; null: all keys are
  /// seen.
  std::shared_ptr<WordMasks> masks = {};
  /// Of `appearance`: the picture that targets are to look like, inverted along the steps that are
  /// drawn, with its prompt's context. The source is the structure then, at which they look in
  /// place of themselves. Null: the source is what they are to look like.
  std::shared_ptr<const Inversion> appearance_picture = {};
  /// Of `appearance`, [1,1,h,w]: the objects, from 0.5 on, whose statistics are taken and which
  /// take them on; other pixels of a target stay. Undefined: all is.
  torch::Tensor appearance_object = {}, target_object = {};
};

/// Masks of a batch by words, each of which is looked for in the prompts of all samples, targets
/// and sources. `resolution` counts latent pixels of 64 a side, as LocalBlend's does. Throws
/// UsageError for a prompt that has none of the words.
std::shared_ptr<WordMasks> make_word_masks(const std::vector<std::string>& words,
                                           const std::vector<PromptSet>& samples,
                                           const Tokenizer& tokenizer, int64_t resolution);

}  // namespace sd
