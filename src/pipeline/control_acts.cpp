#include "sd/pipeline/control_acts.h"

#include <algorithm>

namespace sd {
namespace {

/// A mean that takes one value more, the `count`-th.
double mean_with(double mean, double value, int64_t count) {
  return mean + (value - mean) / static_cast<double>(count);
}

}  // namespace

bool ControlActs::count(const StepInfo& step, double moved) {
  sums_.num_steps = std::max(sums_.num_steps, step.num_steps);
  sums_.moved = mean_with(sums_.moved, moved, ++sums_.measured);
  if (moved <= 0) return false;
  sums_.steps.insert(step.step);
  return true;
}

void ControlActs::note(const AttentionCall& call, double moved) {
  const std::scoped_lock lock(access_);
  const Layer layer{call.site.part, call.site.block, call.site.depth, call.height, call.width};
  if (!count(call.step, moved)) return;
  sums_.layers.insert(layer);
  if (moved <= sums_.most) return;
  sums_.most = moved;
  sums_.most_at = layer;
}

void ControlActs::note(const StepInfo& step, double moved) {
  const std::scoped_lock lock(access_);
  if (count(step, moved)) sums_.most = std::max(sums_.most, moved);
}

void ControlActs::note_step(const StepInfo& step) {
  const std::scoped_lock lock(access_);
  sums_.num_steps = std::max(sums_.num_steps, step.num_steps);
  sums_.steps.insert(step.step);
}

void ControlActs::note_everywhere(const StepInfo& step) {
  note_step(step);
  const std::scoped_lock lock(access_);
  sums_.everywhere = true;
}

void ControlActs::note_share(double share) {
  const std::scoped_lock lock(access_);
  sums_.share = mean_with(sums_.share.value_or(0), share, ++shares_);
}

void ControlActs::note_loss(double first, double last) {
  const std::scoped_lock lock(access_);
  ++losses_;
  sums_.first_loss = mean_with(sums_.first_loss.value_or(0), first, losses_);
  sums_.last_loss = mean_with(sums_.last_loss.value_or(0), last, losses_);
}

bool ControlActs::acted() const {
  const std::scoped_lock lock(access_);
  return sums_.acted();
}

ControlActs::Summary ControlActs::summary() const {
  const std::scoped_lock lock(access_);
  return sums_;
}

}  // namespace sd
