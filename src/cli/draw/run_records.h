#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/draw/kept_model.h"
#include "cli/engine/engine.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/grid_cells.h"
#include "cli/plan/run_extent.h"
#include "cli/record/picture_record.h"

namespace sd::cli {

/// What is drawn in one go: a plan, or the cells of a grid with the plan that they share.
struct Drawing {
  const DrawPlan& plan;
  const GridCells* cells = nullptr;
  std::vector<DrawOutcome*> outcomes;  // the run's, or one a cell
};

/// What the pictures of a drawing say of themselves. A cell speaks of itself and of the grid that
/// it belongs to.
class RunRecords {
 public:
  /// Hashes the input files: read before anything is drawn, since they may be others afterwards.
  explicit RunRecords(const Drawing& drawing);

  /// What only the loaded model tells.
  void know_model(const LoadedModel& model);
  void know_hashes(const KeptModel& kept);

  const RunRecord& run() const { return run_; }
  RunRecord run_of(const PictureRecord& picture) const;
  PictureRecord picture(const Batch& batch, std::size_t target, std::size_t sample) const;
  /// Where a picture stands in what is said of it, and who is told of it.
  const std::optional<TaskPlace>& place_of(const PictureRecord& picture) const;
  DrawOutcome& outcome_of(const PictureRecord& picture) const;

 private:
  std::size_t cell_of(const PictureRecord& picture) const;

  const Drawing& drawing_;
  RunRecord run_;
};

}  // namespace sd::cli
