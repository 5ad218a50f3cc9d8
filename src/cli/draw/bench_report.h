#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/plan/draw_plan.h"
#include "core/fma_limit.h"
#include "sd/pipeline/load.h"

namespace sd::cli {

/// What was measured once.
struct Measured {
  double seconds = 0;
  int64_t page_faults = 0;  // that needed no disk
  int64_t waits = 0;        // of the host for the GPU
};

/// One part of the way to a picture.
struct BenchPhase {
  std::string name;
  std::vector<Measured> runs = {};
  double flops = 0;  // of one run, as a direct computation does it; 0: no matter of FLOPs
};

/// The limits of the device as far as they were measured.
struct BenchLimits {
  std::optional<FmaLimit> f32, bf16;  // of a CPU
  std::optional<FmaLimit> gpu;        // in what the model computes in

  /// Measures both and keeps the highest, since other programs only take away.
  void measure(int threads);
  /// That of what the model computes in.
  std::optional<FmaLimit> of(const LoadedModel& model) const;
};

/// Everything that a benchmark tells.
struct BenchReport {
  std::vector<BenchPhase> phases;
  BenchLimits limits;
  int64_t page_faults = 0;                 // of the process
  int64_t peak_rss = 0;                    // bytes
  std::optional<int64_t> peak_gpu_memory;  // bytes
};

/// "of the process so far": page faults that needed no disk, and the most memory that it held.
struct ProcessUse {
  int64_t page_faults = 0;
  int64_t peak_rss = 0;  // bytes
};
ProcessUse process_use();

nlohmann::ordered_json limit_json(const std::optional<FmaLimit>& limit);

/// Writes it to stdout: a table, or with --json a line.
void print_report(const DrawPlan& plan, const LoadedModel& model, const BenchReport& report);

}  // namespace sd::cli
