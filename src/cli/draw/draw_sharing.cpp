#include "cli/draw/draw_sharing.h"

#include <utility>

namespace sd::cli {

std::shared_ptr<RowSharing> make_sharing(const DrawOptions& options, const RunInputs& inputs,
                                         std::shared_ptr<const Inversion> appearance,
                                         const std::vector<PromptSet>& samples,
                                         const Tokenizer& tokenizer) {
  const auto settings = options.sharing.settings();
  if (settings.count() == 0) return nullptr;
  auto sharing = std::make_shared<RowSharing>();
  static_cast<RowSharingSettings&>(*sharing) = settings;
  sharing->picture = inputs.reference;
  sharing->appearance_picture = std::move(appearance);
  sharing->appearance_object = inputs.appearance_object;
  sharing->target_object = inputs.appearance_onto;
  const auto& words = options.sharing.masactrl_mask;
  if (words.empty()) return sharing;
  std::vector<sd::PromptSet> prompts;
  for (const auto& sample : samples) prompts.push_back({sample.targets, sample.source});
  sharing->masks = make_word_masks(words, prompts, tokenizer,
                                   options.sharing.masactrl_res.value_or(kPublishedBlendRes));
  return sharing;
}

}  // namespace sd::cli
