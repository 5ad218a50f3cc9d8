#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"
#include "sd/text/alignment.h"

namespace sd {

class TokenTransfer;

struct PromptToPromptOptions {
  /// From the source to each target row.
  PerRow<std::variant<TokenRefinement, WordReplacement>> edits = {};
  /// When each token of a target follows the source; published default 0 to 0.8.
  PerRow<TokenSchedule> schedules = {TokenSchedule{{StepWindow::cross_steps(0, 0.8)}}};
  /// Source tokens of things whose boxes the targets may fill. As published, a new thing is drawn
  /// inside the old one's outline: a house that replaces a crescent moon becomes as small as fits
  /// into the crescent. Let S be the pixels that look at these tokens (see box_threshold). With
  /// tokens here, every other pixel in the bounding box of S gets the mean attention row of S,
  /// layer by layer and head by head. Empty: as published.
  PerRow<std::vector<int64_t>> boxes = {{}};
  /// A pixel looks at the tokens if its attention to them, mean over heads, exceeds this share of
  /// the largest attention that any pixel pays them.
  double box_threshold = 0.5;
  SiteFilter sites = {};
  RowChoice rows = RowChoice::kConditional;
};

/// Prompt-to-Prompt's word replacement and refinement (arXiv:2208.01626, section 3.2): in
/// cross-attention A = α · A_new + (1−α) · A_target with α(step, token) 0 or 1. The source's rows
/// are never changed. Does nothing in a batch without a source.
class PromptToPrompt final : public AttentionController {
 public:
  /// Throws UsageError if there is no edit or one of them is malformed, or if settings of rows are
  /// for other numbers of rows.
  explicit PromptToPrompt(PromptToPromptOptions options);
  ~PromptToPrompt() override;

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

 private:
  PromptToPromptOptions options_;
  std::vector<TokenTransfer> transfers_;
  std::size_t rows_ = 1;  // that have settings of their own
};

}  // namespace sd
