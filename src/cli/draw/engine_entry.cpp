#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "cli/draw/bench.h"
#include "cli/draw/draw.h"
#include "cli/draw/invert.h"
#include "cli/draw/kept_model.h"
#include "cli/engine/engine.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "cli/shell/turns.h"
#include "engine_entry_name.h"
#include "sd/core/mapped_file.h"

namespace sd::cli {
namespace {

KeptModels& kept_models() {
  // Never destroyed: LibTorch's own statics may be gone before them.
  static auto& models = *new KeptModels();
  return models;
}

int draw_command(const DrawPlan& plan) {
  std::string message;
  DrawOutcome outcome;
  const int code =
      run_caught([&] { return static_cast<int>(draw_plan(plan, kept_models(), outcome)); },
                 plan.options.verbose > 0, message);
  if (!message.empty()) report_error(message, code, plan.options.json);
  return code;
}

void draw_task_command(const DrawPlan& plan, DrawOutcome& outcome) {
  outcome.code =
      run_caught([&] { return static_cast<int>(draw_plan(plan, kept_models(), outcome)); },
                 plan.options.verbose > 0, outcome.error);
}

void draw_cells_command(const GridCells& cells, std::vector<DrawOutcome>& outcomes) {
  outcomes.assign(cells.cells.size(), {});
  std::string why;
  const int code =
      run_caught([&] { return static_cast<int>(draw_cells(cells, kept_models(), outcomes)); },
                 cells.cells.front().options.verbose > 0, why);
  if (code == 0) return;
  const bool stopped = code == static_cast<int>(ExitCode::kInterrupted);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (!outcomes[i].drawn.empty() || (cells.only && *cells.only != i)) continue;
    if (stopped) {
      outcomes[i].code = code;
      outcomes[i].error = why;
    } else {
      // One cell may have spoiled it for all: alone, each says what is wrong with it.
      draw_task_command(cells.cells[i], outcomes[i]);
    }
  }
}

int bench_command(const DrawPlan& plan, const BenchSettings& settings) {
  std::string message;
  const int code =
      run_caught([&] { return static_cast<int>(bench_plan(plan, settings, kept_models().of(0))); },
                 plan.options.verbose > 0, message);
  if (!message.empty()) report_error(message, code, plan.options.json);
  return code;
}

int invert_command(const DrawPlan& plan, const InvertSettings& settings) {
  std::string message;
  const int code =
      run_caught([&] { return static_cast<int>(invert_plan(plan, settings, kept_models().of(0))); },
                 plan.options.verbose > 0, message);
  if (!message.empty()) report_error(message, code, plan.options.json);
  return code;
}

void side_by_side_command(std::size_t workers, Turns& turns,
                          const std::function<void(std::size_t)>& work) {
  const InterruptGuard guard;
  side_by_side(workers, turns, work);
}

constexpr Engine kEngine{draw_command,         draw_task_command, draw_cells_command,
                         side_by_side_command, bench_command,     invert_command};

}  // namespace
}  // namespace sd::cli

/// What `sd` looks up. The build makes the name (cmake/SdEngineEntry.cmake), so that halves which
/// know Engine or DrawPlan in different shapes are not mixed.
extern "C" __attribute__((visibility("default"))) const sd::cli::Engine* SD_ENGINE_ENTRY() {
  sd::guard_mapped_files();  // this half's own; the other's are asked after it
  return &sd::cli::kEngine;
}

/// What a half of another build says of this one.
extern "C" __attribute__((visibility("default"))) const char* sd_engine_version() {
  return SD_VERSION " (interface " SD_ENGINE_INTERFACE ")";
}

extern "C" __attribute__((visibility("default"))) int sd_engine_output_error() {
  return sd::cli::output_error();
}
