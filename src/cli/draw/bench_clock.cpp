#include "cli/draw/bench_clock.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <utility>

#include "pipeline/gpu_use.h"

namespace sd::cli {
namespace {

/// Of which the time can be asked, on the stream that works.
c10::Event event_now(torch::Device device) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  c10::Event event(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  event.record(guard.getStream(device));
  return event;
}

}  // namespace

void BenchClock::mark() {
  Mark mark{std::chrono::steady_clock::now(), process_use().page_faults, gpu_waits(device_), {}};
  if (!device_.is_cpu()) mark.event = event_now(device_);
  marks_.push_back(std::move(mark));
}

std::vector<Measured> BenchClock::measured() {
  std::vector<Measured> parts;
  if (!marks_.empty() && marks_.back().event) marks_.back().event->synchronize();
  for (std::size_t i = 1; i < marks_.size(); ++i) {
    const auto &from = marks_[i - 1], &to = marks_[i];
    const double seconds = from.event ? from.event->elapsedTime(*to.event) / 1000
                                      : std::chrono::duration<double>(to.time - from.time).count();
    parts.push_back({seconds, to.page_faults - from.page_faults, to.waits - from.waits});
  }
  return parts;
}

FmaLimit measure_gpu_limit(torch::Device device, torch::Dtype dtype) {
  constexpr int64_t kSide = 8192;
  constexpr int kTrials = 20;
  const auto options = at::TensorOptions().device(device).dtype(dtype);
  const auto a = at::randn({kSide, kSide}, options), b = at::randn({kSide, kSide}, options);
  BenchClock clock(device);
  clock.mark();
  for (int i = 0; i < kTrials; ++i) {
    const auto product = at::matmul(a, b);
    clock.mark();
  }
  double best = 0;
  for (const auto& trial : clock.measured()) {
    best = std::max(best, 2.0 * kSide * kSide * kSide / trial.seconds / 1e9);
  }
  return {best, "LibTorch, 8192x8192"};
}

}  // namespace sd::cli
