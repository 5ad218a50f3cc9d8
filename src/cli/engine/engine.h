#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/engine/bench_settings.h"
#include "cli/engine/invert_settings.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/grid_cells.h"
#include "cli/record/picture_record.h"
#include "cli/shell/turns.h"
#include "sd/image/image.h"

namespace sd::cli {

/// How a picture was made.
struct Making {
  RunRecord run;
  PictureRecord picture;
};

/// What became of one task.
struct DrawOutcome {
  int code = 0;  // an exit code
  std::string error;
  std::vector<std::filesystem::path> pictures;  // written
  bool was_there = false;                       // all of them were, so that nothing was drawn
  std::vector<Image> drawn;                     // if its place asks for them
  std::optional<Making> making;                 // of the first of those
};

/// The half of the program that needs LibTorch lies in libsd_engine.so beside the binary and is
/// opened only when a picture is to be drawn: linking LibTorch costs 0.3 s a start, which `--help`,
/// `info` and wrong options need not pay.
struct Engine {
  int (*draw)(const DrawPlan& plan);  // never throws; returns the exit code, having said why
  /// The same for one task of many: the model stays loaded for the next one, and why it failed is
  /// left to the caller to say.
  void (*draw_task)(const DrawPlan& plan, DrawOutcome& outcome);
  /// Draws cells together, where that fails one at a time as tasks are: one outcome each, empty for
  /// those that are not wanted.
  void (*draw_cells)(const GridCells& cells, std::vector<DrawOutcome>& outcomes);
  /// As the function of that name (shell/turns.h), for work that draws tasks on a lane each
  /// (plan/lanes.h). Ctrl-C meanwhile ends all of them.
  void (*side_by_side)(std::size_t workers, Turns& turns,
                       const std::function<void(std::size_t)>& work);
  /// Measures how fast the plan is drawn; never throws, as `draw`.
  int (*bench)(const DrawPlan& plan, const BenchSettings& settings);
  /// Inverts the plan's input picture and writes what came of it; never throws, as `draw`.
  int (*invert)(const DrawPlan& plan, const InvertSettings& settings);
};

/// Opens the engine. Throws Error naming the file if it cannot be found or its libraries are
/// missing, IoError if the working folder was deleted.
const Engine& engine();

/// Where the engine lies: beside the binary, or in ../lib/sd; none if in neither.
std::optional<std::filesystem::path> engine_file();

/// What LibTorch says about itself and its devices, as a JSON object. Opens the engine; throws as
/// `engine` does.
std::string engine_report();

/// output_error of the engine's half; 0 if it was not opened.
int engine_output_error();

}  // namespace sd::cli
