#pragma once

#include <vector>

#include "trainer/scene_spec.h"

namespace sd::train {

/// A classifier looks at a picture of kSceneSide pixels in kCells x kCells cells.
inline constexpr int kCells = 16;
inline constexpr int kCellPixels = 8;

/// Log-probabilities of each cell [kCells,kCells,C]: C kinds and last "nothing", tints and last
/// "the emoji's own colours", backgrounds. The probability of "nothing" is the share of the cell
/// that no object covers.
struct CellGrid {
  std::vector<float> kind, tint, background;
};

/// Edges in pixels.
struct PixelBox {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

/// An object that a classifier found.
struct FoundObject {
  int kind = 0;
  int tint = kAbsent;      // kAbsent: the emoji's own colours
  int nearest_tint = 0;    // the most probable of the named ones
  PixelBox box;            // of what is visible
  std::vector<int> cells;  // y * kCells + x, ascending
  double confidence = 0;   // probability of the kind, mean over the cells, in [0,1]
};

struct PictureReading {
  std::vector<FoundObject> objects;  // the largest first
  int background = 0;
};

/// Groups cells into objects: neighbours belong together unless two kinds share them, as where
/// objects touch; what is apart but of one kind is one object; specks are left out.
PictureReading read_cells(const CellGrid& grid);

}  // namespace sd::train
