#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/plan/draw_plan.h"

namespace sd::cli {

/// Cells of a `--grid` that are drawn in common batches. One picture each, or a swap's; they differ
/// in prompts, guidance scale, seed and the words of controls, and in nothing else.
struct GridCells {
  std::vector<DrawPlan> cells;
  std::vector<int64_t> numbers;     // of each among all cells of the grid, from 0
  int64_t count = 0;                // of all cells
  GivenCommand given;               // the command that draws the grid
  std::optional<std::string> grid;  // its axes
  std::optional<std::size_t>
      only;  // which of `cells` to draw alone, to the bit as among the others
};

/// The plan of their common batches, as many cells at a time as the memory for a usual batch
/// allows. Its prompts point to the options of `cells`, which must outlive it. Throws UsageError
/// where they cannot share a batch.
DrawPlan shared_plan(const GridCells& cells);

}  // namespace sd::cli
