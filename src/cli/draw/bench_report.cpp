#include "cli/draw/bench_report.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "cli/shell/json_lines.h"
#include "cli/shell/memory_words.h"
#include "cli/shell/text_output.h"
#include "sd/core/sampler_table.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

template <typename Value>
Value median(std::vector<Value> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  const Value upper = *middle;
  if (values.size() % 2 != 0) return upper;
  return (*std::max_element(values.begin(), middle) + upper) / 2;
}

struct Summary {
  double seconds = 0;
  int64_t page_faults = 0;
  int64_t waits = 0;
  double gflops = 0;            // 0: no matter of FLOPs
  std::optional<double> share;  // of the limit
};

Summary summary_of(const BenchPhase& phase, const std::optional<FmaLimit>& limit) {
  std::vector<double> seconds;
  std::vector<int64_t> faults, waits;
  for (const auto& run : phase.runs) {
    seconds.push_back(run.seconds);
    faults.push_back(run.page_faults);
    waits.push_back(run.waits);
  }
  Summary summary{median(seconds), median(faults), median(waits), 0, std::nullopt};
  if (phase.flops > 0 && summary.seconds > 0) {
    summary.gflops = phase.flops / summary.seconds / 1e9;
    if (limit) summary.share = summary.gflops / limit->gflops;
  }
  return summary;
}

Json phase_json(const BenchPhase& phase, const std::optional<FmaLimit>& limit, bool counts_waits) {
  const auto summary = summary_of(phase, limit);
  Json json = {{"seconds", Json::array()}, {"median", summary.seconds}};
  for (const auto& run : phase.runs) json["seconds"].push_back(run.seconds);
  json["page_faults"] = summary.page_faults;
  json["waits"] = counts_waits ? Json(summary.waits) : Json();
  json["gflop"] = phase.flops > 0 ? Json(phase.flops / 1e9) : Json();
  json["gflops"] = phase.flops > 0 ? Json(summary.gflops) : Json();
  json["share"] = summary.share ? Json(*summary.share) : Json();
  return json;
}

Json report_json(const DrawPlan& plan, const LoadedModel& model, const BenchReport& report) {
  const auto& options = plan.options;
  Json json = {{"version", SD_VERSION},
               {"model", plan.model_name},
               {"device", model.device},
               {"dtype", model.dtype},
               {"threads", at::get_num_threads()},
               {"width", plan.width()},
               {"height", plan.height()},
               {"n_samples", options.n_samples},
               {"steps", options.steps},
               {"sampler", info_of(options.chosen_sampler()).name},
               {"scale", options.guidance_scale},
               {"limit",
                {{"f32", limit_json(report.limits.f32)},
                 {"bf16", limit_json(report.limits.bf16)},
                 {"gpu", limit_json(report.limits.gpu)}}}};
  for (const auto& phase : report.phases) {
    json["phases"][phase.name] =
        phase_json(phase, report.limits.of(model), report.peak_gpu_memory.has_value());
  }
  json["page_faults"] = report.page_faults;
  json["peak_rss"] = report.peak_rss;
  json["peak_gpu_memory"] = report.peak_gpu_memory ? Json(*report.peak_gpu_memory) : Json();
  return json;
}

std::string limit_text(const char* type, const std::optional<FmaLimit>& limit) {
  return limit ? fmt::format("{} {:.0f} GFLOP/s ({})", type, limit->gflops, limit->by)
               : fmt::format("{} not in hardware", type);
}

/// Waits are counted where the GPU's memory is told, too: by our own kernels' library.
std::string waits_text(const Summary& summary, const BenchReport& report) {
  return report.peak_gpu_memory ? fmt::format("{}", summary.waits) : "";
}

void print_table(const DrawPlan& plan, const LoadedModel& model, const BenchReport& report) {
  StandardOutput output;
  const auto& options = plan.options;
  output.line(fmt::format(
      "{}: {} of {}x{}, {} of {}, scale {:g}, {} on {} with {}", plan.model_name,
      counted(static_cast<std::size_t>(options.n_samples), "picture"), plan.width(), plan.height(),
      counted(static_cast<std::size_t>(options.steps), "step"),
      info_of(options.chosen_sampler()).name, options.guidance_scale, model.dtype, model.device,
      counted(static_cast<std::size_t>(at::get_num_threads()), "thread")));
  if (report.limits.f32) {
    output.line(fmt::format("limit of the CPU, products on registers alone: {}, {}",
                            limit_text("f32", report.limits.f32),
                            limit_text("bf16", report.limits.bf16)));
  }
  if (report.limits.gpu) {
    output.line(fmt::format("limit of the GPU, products of matrices: {}",
                            limit_text(model.dtype.c_str(), report.limits.gpu)));
  }
  const bool on_gpu = model.device != "cpu";
  constexpr const char* kRow = "{:<6} {:>10} {:>4} {:>10} {:>9} {:>9} {:>12}";
  output.line(fmt::format(kRow, "part", "median s", "runs", "GFLOP", "GFLOP/s", "of limit",
                          on_gpu ? "waits for it" : "page faults"));
  for (const auto& phase : report.phases) {
    const auto summary = summary_of(phase, report.limits.of(model));
    const bool counts = phase.flops > 0;
    output.line(
        fmt::format(kRow, phase.name, fmt::format("{:.4f}", summary.seconds), phase.runs.size(),
                    counts ? fmt::format("{:.1f}", phase.flops / 1e9) : "",
                    counts ? fmt::format("{:.1f}", summary.gflops) : "",
                    summary.share ? fmt::format("{:.1f} %", 100 * *summary.share) : "",
                    on_gpu ? waits_text(summary, report) : fmt::format("{}", summary.page_faults)));
  }
  output.line(fmt::format("peak memory {}, {} page faults in all", memory_text(report.peak_rss),
                          report.page_faults));
  if (report.peak_gpu_memory) {
    output.line(fmt::format("peak memory of the GPU {}", memory_text(*report.peak_gpu_memory)));
  }
}

}  // namespace

void BenchLimits::measure(int threads) {
  const auto keep_higher = [](std::optional<FmaLimit>& best, std::optional<FmaLimit> found) {
    if (found && (!best || found->gflops > best->gflops)) best = found;
  };
  keep_higher(f32, measure_fma_limit(FmaType::kF32, threads));
  keep_higher(bf16, measure_fma_limit(FmaType::kBF16, threads));
}

std::optional<FmaLimit> BenchLimits::of(const LoadedModel& model) const {
  if (model.device != "cpu") return gpu;
  return model.compute_dtype == torch::kBFloat16 ? bf16 : f32;
}

ProcessUse process_use() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return {use.ru_minflt, int64_t{1024} * use.ru_maxrss};
}

Json limit_json(const std::optional<FmaLimit>& limit) {
  return limit ? Json{{"gflops", limit->gflops}, {"by", limit->by}} : Json();
}

void print_report(const DrawPlan& plan, const LoadedModel& model, const BenchReport& report) {
  if (plan.options.json) {
    StandardOutput().line(json_line_of("bench", report_json(plan, model, report)));
  } else {
    print_table(plan, model, report);
  }
}

}  // namespace sd::cli
