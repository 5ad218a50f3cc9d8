#include "cli/grid_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/grid_axes.h"
#include "cli/json_lines.h"
#include "cli/output_folder.h"
#include "cli/picture_record.h"
#include "cli/seed_options.h"
#include "cli/settings_check.h"
#include "cli/task_parser.h"
#include "cli/text_output.h"
#include "sd/core/error.h"
#include "sd/image/label.h"
#include "sd/image/png.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

constexpr std::size_t kMaxCells = 10'000;

/// The option that an axis names. Throws UsageError with the nearest one.
OptionOutline option_of(const GridAxis& axis, const CLI::App& command) {
  const auto options = settable_options(command);
  const auto found = std::ranges::find_if(
      options, [&](const OptionOutline& option) { return is_named(option, axis.key); });
  if (found != options.end()) return *found;
  throw UsageError(fmt::format("--grid: unknown option '{}'{}", axis.key,
                               did_you_mean(axis.key, keys_of(options))));
}

struct Axis {
  GridAxis grid;
  OptionOutline option;

  std::string label(std::size_t value) const {
    return fmt::format("{}={}", grid.key, grid.values[value]);
  }
};

/// The axes' values in each cell, row by row.
class Grid {
 public:
  Grid(const std::string& text, const CLI::App& command) {
    std::size_t cells = 1;
    for (auto& axis : parse_grid(text)) {
      cells *= axis.values.size();
      if (cells > kMaxCells)
        throw UsageError(fmt::format("--grid: more than {} combinations", kMaxCells));
      auto option = option_of(axis, command);
      axes_.push_back({std::move(axis), std::move(option)});
    }
    cells_ = cells;
  }

  std::size_t cells() const { return cells_; }
  std::size_t columns() const { return axes_.front().grid.values.size(); }

  /// Which value of each axis a cell has. The last axis changes slowest.
  std::vector<std::size_t> values(std::size_t cell) const {
    std::vector<std::size_t> chosen;
    for (const auto& axis : axes_) {
      chosen.push_back(cell % axis.grid.values.size());
      cell /= axis.grid.values.size();
    }
    return chosen;
  }

  std::vector<Setting> settings(std::size_t cell) const {
    std::vector<Setting> settings;
    const auto chosen = values(cell);
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      const auto& [grid, option] = axes_[i];
      settings.push_back(
          {option.names.front(), {grid.values[chosen[i]]}, "--grid: " + grid.key, false});
    }
    return settings;
  }

  std::string label(std::size_t cell) const { return label(cell, 0); }

  SheetLabels labels() const {
    SheetLabels labels;
    for (std::size_t i = 0; i < columns(); ++i) labels.columns.push_back(axes_.front().label(i));
    if (axes_.size() > 1) {
      for (std::size_t cell = 0; cell < cells_; cell += columns())
        labels.rows.push_back(label(cell, 1));
    }
    return labels;
  }

 private:
  std::string label(std::size_t cell, std::size_t first_axis) const {
    std::string text;
    const auto chosen = values(cell);
    for (std::size_t i = first_axis; i < axes_.size(); ++i)
      text += (text.empty() ? "" : ", ") + axes_[i].label(chosen[i]);
    return text;
  }

  std::vector<Axis> axes_;
  std::size_t cells_ = 1;
};

/// One picture for a cell, whatever it holds; without pixels if it failed.
Image cell_picture(const std::vector<Image>& drawn) {
  if (drawn.empty()) return {0, 0, 3, {}};
  return make_grid(drawn, static_cast<int64_t>(drawn.size()));
}

/// In the middle of a white picture of this size: cells of a sheet are alike, and sizes may be an
/// axis.
Image on_white(const Image& image, int64_t width, int64_t height) {
  constexpr uint8_t kWhite = 255;
  if (image.width == 0 || (image.width == width && image.height == height)) return image;
  Image wide{width, height, image.channels, {}};
  wide.pixels.assign(static_cast<std::size_t>(width * height * image.channels), kWhite);
  const int64_t left = (width - image.width) / 2, top = (height - image.height) / 2;
  const int64_t row = image.width * image.channels;
  for (int64_t y = 0; y < image.height; ++y) {
    std::copy_n(image.pixels.begin() + y * row, row,
                wide.pixels.begin() + ((top + y) * width + left) * image.channels);
  }
  return wide;
}

void write_sheet(const DrawOptions& options, const Grid& grid, std::vector<LabelledImage> cells) {
  const bool any =
      std::ranges::any_of(cells, [](const auto& cell) { return cell.image.width > 0; });
  if (!any) return;
  int64_t width = 0, height = 0;
  for (const auto& cell : cells) {
    width = std::max(width, cell.image.width);
    height = std::max(height, cell.image.height);
  }
  for (auto& cell : cells) cell.image = on_white(cell.image, width, height);
  const auto sheet = labelled_sheet(cells, static_cast<int64_t>(grid.columns()), grid.labels());
  const auto path = OutputFolder(options.outdir).write_sheet(encode_png(sheet));
  StandardOutput().line(options.json ? grid_json_line(path, cells.size()) : path.string());
}

}  // namespace

int draw_grid(const DrawCommand& command, MakeDrawCommand make) {
  const auto& base = *command.options;
  if (base.from_file) throw UsageError("--grid and --from-file: one of them says what to draw");
  if (base.batch.resume || base.batch.shard)
    throw UsageError("--grid: --resume and --shard belong to the tasks of --from-file");
  const Grid grid(*base.batch.grid, *command.parser);
  const TaskParser parser(command, make);
  // One seed for all cells, also where it is a random one.
  const auto seed = settled_seed(base);
  std::vector<DrawOptions> runs;
  for (std::size_t i = 0; i < grid.cells(); ++i) {
    auto run = parser.parse(grid.settings(i));
    if (run.seed == kRandomSeed) run.seed = seed;
    run.place = {grid.label(i) + ": ", std::nullopt, i > 0, true};
    check(run);
    runs.push_back(std::move(run));
  }
  std::vector<LabelledImage> cells;
  std::size_t failed = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    DrawOutcome outcome;
    engine().draw_task(runs[i], outcome);
    if (outcome.code != 0) {
      report_error(fmt::format("{}: {}", grid.label(i), outcome.error), outcome.code, base.json,
                   {{"cell", grid.label(i)}});
      ++failed;
    }
    const bool stopped = outcome.code == static_cast<int>(ExitCode::kInterrupted) ||
                         outcome.code == static_cast<int>(ExitCode::kInputOutput);
    if (stopped) return outcome.code;
    cells.push_back({cell_picture(outcome.drawn), outcome.code == 0 ? "" : "failed"});
  }
  write_sheet(base, grid, std::move(cells));
  if (failed == 0) return static_cast<int>(ExitCode::kDone);
  print_message(fmt::format("{} of {} failed", failed, counted(grid.cells(), "picture")));
  return static_cast<int>(ExitCode::kPartOfBatch);
}

}  // namespace sd::cli
