#pragma once

#include <memory>
#include <vector>

#include "cli/engine/engine.h"
#include "cli/options/draw_options.h"
#include "sd/core/error.h"

namespace sd::cli {

/// A drawing command with checked options: finds and loads the model, draws, writes. Returns the
/// exit code of a run that came to its end; throws Error for one that did not. Finished pictures
/// stay in either case.
ExitCode run_draw(const DrawOptions& options);

/// Draws one task after the other, and loads a model only where the last one's was another.
class DrawSession {
 public:
  DrawSession();
  ~DrawSession();

  /// As run_draw, and tells of the pictures, in either case.
  ExitCode draw(const DrawOptions& options, DrawOutcome& outcome);
  /// The same for cells of a grid in common batches, with one outcome for each. Throws UsageError
  /// where they cannot share one, which then has been seen before anything is drawn.
  ExitCode draw_cells(const GridCells& cells, std::vector<DrawOutcome>& outcomes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sd::cli
