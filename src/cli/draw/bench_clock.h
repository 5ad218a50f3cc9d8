#pragma once

#include <c10/core/Event.h>
#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "cli/draw/bench_report.h"

namespace sd::cli {

/// Measures what lies between marks: by the clock on a CPU; by the GPU's own events where a GPU
/// works, since the host runs ahead of it.
class BenchClock {
 public:
  explicit BenchClock(torch::Device device) : device_(device) {}

  /// One part ends here and the next begins.
  void mark();
  /// What lies between each two marks so far; waits for the GPU.
  std::vector<Measured> measured();

 private:
  struct Mark {
    std::chrono::steady_clock::time_point time;
    int64_t page_faults, waits;
    std::optional<c10::Event> event;
  };
  torch::Device device_;
  std::vector<Mark> marks_;
};

/// The GPU's rate at a product of 8192×8192 matrices in what a model computes in.
FmaLimit measure_gpu_limit(torch::Device device, torch::Dtype dtype);

}  // namespace sd::cli
