#include "sd/control/prompt_to_prompt.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/box_fill.h"
#include "control/rows.h"
#include "control/token_transfer.h"
#include "sd/core/error.h"

namespace sd {

PromptToPrompt::PromptToPrompt(PromptToPromptOptions options) : options_(std::move(options)) {
  if (options_.edits.empty() || options_.schedules.empty()) {
    throw UsageError("prompt-to-prompt: no alignment of the prompts or no schedule given");
  }
  const auto sizes = {options_.edits.size(), options_.schedules.size(), options_.boxes.size()};
  rows_ = std::max(sizes);
  for (const auto size : sizes) {
    if (size == 1 || size == rows_) continue;
    throw UsageError(
        fmt::format("prompt-to-prompt: {} edits, {} schedules and {} boxes; expected "
                    "one for all rows, or one for each",
                    options_.edits.size(), options_.schedules.size(), options_.boxes.size()));
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

StepUse PromptToPrompt::step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const {
  const auto acts = [&](const TokenSchedule& schedule) { return schedule.any(step); };
  if (!has_source(rows) || std::ranges::none_of(options_.schedules, acts)) return StepUse::kNone;
  // What fills a box depends on which pixels look where.
  const bool fills =
      std::ranges::any_of(options_.boxes, [](const auto& box) { return !box.empty(); });
  return options_.sites.is_everywhere() && !fills ? StepUse::kColumns : StepUse::kOther;
}

torch::Tensor PromptToPrompt::apply(torch::Tensor probs, const AttentionCall& call) {
  const auto& schedules = options_.schedules;
  const auto pick = [](const auto& list, std::size_t row) -> const auto& {
    return list.size() == 1 ? list.front() : list[row];
  };
  const EditScope scope{call, options_.sites, options_.rows, rows_, "prompt-to-prompt edits"};
  for_each_edit(probs, scope, [&](std::size_t row, const auto& target, const auto& source) {
    const auto& schedule = pick(schedules, row);
    const auto& box = pick(options_.boxes, row);
    const auto followed =
        box.empty() ? source
                    : fill_box(source, box, call.height, call.width, options_.box_threshold);
    pick(transfers_, row).apply(target, followed, [&](int64_t token) {
      return schedule.contains(token, call.step);  // α(step, token)
    });
  });
  return probs;
}

}  // namespace sd
