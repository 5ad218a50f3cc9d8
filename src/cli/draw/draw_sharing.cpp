#include "cli/draw/draw_sharing.h"

namespace sd::cli {

std::shared_ptr<RowSharing> make_sharing(const DrawOptions& options, const RunInputs& inputs,
                                         const std::vector<PromptSet>& samples,
                                         const Tokenizer& tokenizer) {
  const auto settings = options.sharing.settings();
  if (settings.count() == 0) return nullptr;
  auto sharing = std::make_shared<RowSharing>();
  static_cast<RowSharingSettings&>(*sharing) = settings;
  sharing->picture = inputs.reference;
  const auto& words = options.sharing.masactrl_mask;
  if (words.empty()) return sharing;
  std::vector<sd::PromptSet> prompts;
  for (const auto& sample : samples) prompts.push_back({sample.targets, sample.source});
  sharing->masks = make_word_masks(words, prompts, tokenizer,
                                   options.sharing.masactrl_res.value_or(*options.swap.blend_res));
  return sharing;
}

}  // namespace sd::cli
