#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "cli/draw/picture_files.h"
#include "cli/draw/run_records.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/run_extent.h"
#include "sd/image/image.h"
#include "sd/image/label.h"

namespace sd::cli {

/// The grids and sheets of a run, for which its pictures are kept.
class RunGrids {
 public:
  explicit RunGrids(const DrawPlan& plan) : plan_(plan) {}

  /// Keeps the pictures of a batch, target by target, behind them the sources.
  void keep(const Batch& batch, std::vector<Image> pictures);

  /// Calls told(path, pictures) for each that is written.
  using Told = std::function<void(const std::filesystem::path& path, std::size_t pictures)>;
  void write(PictureFiles& files, const RunRecords& records, const Told& told) const;

 private:
  void write_swap_grids(PictureFiles& files, const PictureRecord& first, const Told& told) const;
  bool wants_grid_of(std::size_t pictures) const;
  int64_t grid_columns() const;
  std::vector<Label> target_labels() const;
  std::vector<Label> source_labels() const;
  Image labelled_grid(const std::vector<Image>& pictures, const std::vector<Label>& labels) const;
  Image swap_sheet() const;

  const DrawPlan& plan_;
  std::vector<Image> pictures_, sources_;
  std::vector<Batch> kept_;  // the batches these are of
};

}  // namespace sd::cli
