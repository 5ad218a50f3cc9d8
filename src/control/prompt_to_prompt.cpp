#include "sd/control/prompt_to_prompt.h"

#include <algorithm>

#include "control/rows.h"
#include "control/token_transfer.h"
#include "sd/core/error.h"

namespace sd {

PromptToPrompt::PromptToPrompt(PromptToPromptOptions options) : options_(std::move(options)) {
  if (options_.edits.empty() || options_.schedules.empty()) {
    throw UsageError("prompt-to-prompt: no alignment of the prompts or no schedule given");
  }
  for (const auto& edit : options_.edits) {
    transfers_.push_back(std::visit([](const auto& map) { return TokenTransfer(map); }, edit));
  }
}

PromptToPrompt::~PromptToPrompt() = default;

AttentionUse PromptToPrompt::use(const AttentionCall& call) const {
  const bool edits = call.site.kind == AttentionKind::kCross && options_.sites.matches(call) &&
                     has_source(call.rows) &&
                     std::any_of(options_.schedules.begin(), options_.schedules.end(),
                                 [&](const TokenSchedule& s) { return s.any(call.step); });
  return edits ? AttentionUse::kChange : AttentionUse::kNone;
}

torch::Tensor PromptToPrompt::apply(torch::Tensor probs, const AttentionCall& call) {
  const auto& schedules = options_.schedules;
  const auto pick = [](const auto& list, std::size_t row) -> const auto& {
    return list.size() == 1 ? list.front() : list[row];
  };
  const EditScope scope{call, options_.sites, options_.rows,
                        std::max(transfers_.size(), schedules.size()), "prompt-to-prompt edits"};
  for_each_edit(probs, scope, [&](std::size_t row, const auto& target, const auto& source) {
    const auto& schedule = pick(schedules, row);
    pick(transfers_, row).apply(target, source, [&](int64_t token) {
      return schedule.contains(token, call.step);  // α(step, token)
    });
  });
  return probs;
}

}  // namespace sd
