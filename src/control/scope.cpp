#include "sd/control/scope.h"

#include <fmt/format.h>

#include <algorithm>

#include "sd/core/error.h"
#include "sd/core/step_share.h"

namespace sd {
namespace {

template <typename T>
bool allows(const std::vector<T>& list, const T& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

StepWindow checked(StepWindow window) {
  if (!(window.begin >= 0 && window.begin <= window.end && window.end <= 1)) {
    throw UsageError(
        fmt::format("steps {}:{}: expected fractions of the steps, 0 <= begin <= end <= 1",
                    window.begin, window.end));
  }
  return window;
}

}  // namespace

bool SiteFilter::matches(const AttentionCall& call) const {
  return allows(parts, call.site.part) && allows(resolutions, resolution(call));
}

bool includes(RowChoice choice, const RowGroup& rows) {
  return choice == RowChoice::kBoth || (choice == RowChoice::kConditional) == rows.conditional;
}

StepWindow StepWindow::steps(double begin, double end) { return checked({begin, end, 0}); }

StepWindow StepWindow::cross_steps(double begin, double end) { return checked({begin, end, 1}); }

bool StepWindow::contains(const StepInfo& step) const {
  return StepShare{begin, end}.contains(step.step, step.num_steps + extra);
}

bool TokenSchedule::contains(int64_t token, const StepInfo& step) const {
  const auto index = windows.size() == 1 ? 0 : static_cast<std::size_t>(token);
  return index < windows.size() && windows[index].contains(step);
}

bool TokenSchedule::any(const StepInfo& step) const {
  return std::any_of(windows.begin(), windows.end(),
                     [&](const StepWindow& window) { return window.contains(step); });
}

}  // namespace sd
