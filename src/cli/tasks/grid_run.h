#pragma once

#include "cli/tasks/draw_command.h"

namespace sd::cli {

/// `--grid`: draws every combination of the axes' values, all from the same seed, and a sheet of
/// them with the first axis from left to right and the others downwards. Everything is checked
/// before the first picture is drawn. Returns the exit code; kPartOfBatch if cells failed, which
/// stay empty on the sheet. Cells that differ only in what samples of a batch may have of their own
/// (prompts, scale, seed, words of controls) are drawn in common batches, with the random numbers
/// of each one's own. With `--only` one cell is drawn, in its batch, and no sheet. Throws
/// UsageError for what is wrong with axes or values.
int draw_grid(const DrawCommand& command, MakeDrawCommand make);

}  // namespace sd::cli
