#include "pipeline/step_watch.h"

#include <ATen/ops/full.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <utility>

#include "nn/gpu.h"
#include "pipeline/check.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::size_t kStepsAhead = 2;

std::string latents_after(int64_t step, int64_t num_steps, double t) {
  return fmt::format("latents after step {} of {} (t = {:.4g})", step + 1, num_steps, t);
}

}  // namespace

void StepWatch::wait_for_earlier(const torch::Tensor& x) {
  if (x.is_cpu()) return;
  const c10::impl::VirtualGuardImpl device(x.device().type());
  c10::Event end(x.device().type());
  end.record(device.getStream(x.device()));
  ends_.push_back(std::move(end));
  if (ends_.size() <= kStepsAhead) return;
  ends_.front().synchronize();
  ends_.pop_front();
}

void StepWatch::after(const StepReport& step) {
  if (gpu::backend_of(step.x) == nullptr || step.x.scalar_type() != at::kFloat) {
    require_finite(step.x, latents_after(step.step, step.num_steps, step.t));
    return;
  }
  if (!first_.defined()) first_ = at::full({1}, -1, step.x.options().dtype(at::kInt));
  gpu::note_nonfinite(step.x, step.step, first_);
  timesteps_.resize(static_cast<std::size_t>(step.num_steps));
  timesteps_[static_cast<std::size_t>(step.step)] = step.t;
  wait_for_earlier(step.x);
}

void StepWatch::finish() {
  if (!first_.defined()) return;
  const int first = first_.item<int>();
  if (first < 0) return;
  throw_not_finite(latents_after(first, static_cast<int64_t>(timesteps_.size()),
                                 timesteps_.at(static_cast<std::size_t>(first))),
                   "NaN or infinity");
}

}  // namespace sd
