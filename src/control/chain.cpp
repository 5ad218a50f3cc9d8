#include "sd/control/chain.h"

#include <algorithm>

namespace sd {

AttentionUse Chain::use(const AttentionCall& call) const {
  AttentionUse most = AttentionUse::kNone;
  for (const auto& link : links_) most = std::max(most, link->use(call));
  return most;
}

StepUse Chain::step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const {
  StepUse most = StepUse::kNone;
  for (const auto& link : links_) most = std::max(most, link->step_use(step, rows));
  return most;
}

bool Chain::observes(const RowGroup& rows, const AttentionCall& call) const {
  return std::any_of(links_.begin(), links_.end(), [&](const auto& link) {
    return link->use(call) == AttentionUse::kObserve && link->observes(rows, call);
  });
}

void Chain::observe(const torch::Tensor& probs, const RowGroup& rows, const AttentionCall& call) {
  for (const auto& link : links_) {
    if (link->use(call) == AttentionUse::kObserve && link->observes(rows, call)) {
      link->observe(probs, rows, call);
    }
  }
}

torch::Tensor Chain::apply(torch::Tensor probs, const AttentionCall& call) {
  for (const auto& link : links_) {
    switch (link->use(call)) {
      case AttentionUse::kNone:
        break;
      case AttentionUse::kObserve:
        for (const auto& group : call.rows) {
          if (link->observes(group, call)) {
            link->observe(probs.narrow(0, group.begin, group.count), group, call);
          }
        }
        break;
      case AttentionUse::kChange:
        probs = link->apply(std::move(probs), call);
        break;
    }
  }
  return probs;
}

}  // namespace sd
