#include "sd/control/reweight.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/rows.h"
#include "sd/core/error.h"

namespace sd {
namespace {

bool changes_something(const TokenWeight& weight) {
  return std::any_of(weight.values.begin(), weight.values.end(),
                     [](double value) { return value != 1.0; });
}

}  // namespace

Reweight::Reweight(ReweightOptions options) : options_(std::move(options)) {
  for (const auto& weight : options_.weights) {
    if (weight.token < 0 || weight.values.empty()) {
      throw UsageError(
          fmt::format("reweight: token {} with {} weights; expected a position from 0 "
                      "and at least one weight",
                      weight.token, weight.values.size()));
    }
  }
  // Weight 1 leaves the fused kernel in place.
  std::erase_if(options_.weights, [](const TokenWeight& w) { return !changes_something(w); });
}

AttentionUse Reweight::use(const AttentionCall& call) const {
  const bool edits = !options_.weights.empty() && call.site.kind == AttentionKind::kCross &&
                     options_.steps.contains(call.step) && options_.sites.matches(call);
  return edits ? AttentionUse::kChange : AttentionUse::kNone;
}

StepUse Reweight::step_use(const StepInfo& step, const std::vector<RowGroup>&) const {
  if (options_.weights.empty() || !options_.steps.contains(step)) return StepUse::kNone;
  return options_.sites.is_everywhere() ? StepUse::kColumns : StepUse::kOther;
}

torch::Tensor Reweight::apply(torch::Tensor probs, const AttentionCall& call) {
  const auto heads = heads_of(options_.sites, probs.size(1));
  const int64_t all_tokens = probs.size(-1) * parts_of(call.rows);
  for (const auto& group : call.rows) {
    if (group.branch != RowGroup::Branch::kTarget || !includes(options_.rows, group)) continue;
    for (const auto& weight : options_.weights) {
      if (weight.target >= 0 && weight.target != group.target) continue;
      const auto values = static_cast<int64_t>(weight.values.size());
      if (weight.token >= all_tokens || (values != 1 && values != group.count)) {
        throw UsageError(fmt::format("reweight: token {} of {} with {} weights for {} samples",
                                     weight.token, all_tokens, values, group.count));
      }
      const int64_t token = weight.token - group.part * probs.size(-1);
      if (token < 0 || token >= probs.size(-1)) continue;  // another part's
      const auto column = probs.narrow(0, group.begin, group.count).select(-1, token);
      for (int64_t sample = 0; sample < group.count; ++sample) {
        if (!weighs(group, sample, weight.token, call.step)) continue;
        const double value = weight.values[static_cast<std::size_t>(values == 1 ? 0 : sample)];
        for (const auto& run : heads) column[sample].narrow(0, run.begin, run.count).mul_(value);
      }
    }
  }
  return probs;
}

bool Reweight::weighs(const RowGroup& group, int64_t sample, int64_t token,
                      const StepInfo& step) const {
  const auto& schedules = options_.schedules;
  if (schedules.empty()) return true;
  const int64_t row = group.target * group.count + sample;
  if (schedules.size() > 1) check_per_row(schedules.size(), row + 1, "schedules");
  return schedules[schedules.size() == 1 ? 0 : static_cast<std::size_t>(row)].contains(token, step);
}

}  // namespace sd
