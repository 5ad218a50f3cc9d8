#include "cli/tasks/grid_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/engine/engine.h"
#include "cli/maps/caption_marks.h"
#include "cli/options/option_table.h"
#include "cli/parser/option_hints.h"
#include "cli/parser/settings_check.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/grid_cells.h"
#include "cli/plan/lanes.h"
#include "cli/plan/settled_options.h"
#include "cli/record/output_folder.h"
#include "cli/record/picture_record.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "cli/shell/turns.h"
#include "cli/tasks/grid_axes.h"
#include "cli/tasks/task_parser.h"
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
  const auto foreign = foreign_name_hint(axis.key, options);
  throw UsageError(
      fmt::format("--grid: unknown option '{}'{}", axis.key,
                  foreign.empty() ? did_you_mean(axis.key, keys_of(options)) : foreign));
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

  /// Differs for cells that cannot share a batch by their axes.
  std::vector<std::size_t> batch_key(std::size_t cell) const {
    auto key = values(cell);
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      const auto* row = find_row(bare_name(axes_[i].option.names.front()));
      if (row != nullptr && row->of_a_sample) key[i] = 0;
    }
    return key;
  }

  /// Of values that are texts the words that differ are marked.
  SheetLabels labels() const {
    std::vector<std::string> column_texts, row_texts;
    for (std::size_t i = 0; i < columns(); ++i) column_texts.push_back(axes_.front().label(i));
    if (axes_.size() > 1) {
      for (std::size_t cell = 0; cell < cells_; cell += columns())
        row_texts.push_back(label(cell, 1));
    }
    return {marked_differences(row_texts), marked_differences(column_texts)};
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

/// A sheet says what its first picture says, and how to draw all of them.
std::vector<PngText> texts_of(Making making, const DrawOptions& base, std::size_t cells) {
  making.run.options.given = base.given;
  making.run.options.batch.grid = base.batch.grid;
  making.run.samples = static_cast<int64_t>(cells);
  making.picture.grid = static_cast<int64_t>(cells);
  return png_texts(making.run, making.picture);
}

/// What `--grid` draws: its cells, in common batches where they can share one.
class GridRun {
 public:
  GridRun(const DrawCommand& command, MakeDrawCommand make)
      : base_(*command.options), grid_(*base_.batch.grid, *command.parser) {
    const TaskParser parser(command, make);
    // One seed for all cells, also where it is a random one.
    auto context = plan_context(base_.quiet);
    const auto seed = settled_seed(base_, context.say);
    for (std::size_t i = 0; i < grid_.cells(); ++i) {
      auto run = parser.parse(grid_.settings(i));
      if (!run.seed) run.seed = seed;
      run.only.reset();  // is the grid's
      context.place = {grid_.label(i) + ": ", std::nullopt, i > 0, true};
      runs_.push_back(make_plan(run, context));
    }
    outcomes_.resize(runs_.size());
    if (base_.only && *base_.only >= static_cast<int64_t>(runs_.size())) {
      throw UsageError(fmt::format("--only {}: the grid has {}, counted from 0", *base_.only,
                                   counted(runs_.size(), "cell")));
    }
  }

  int draw() {
    std::vector<std::vector<std::size_t>> units;
    std::vector<char> drawn(runs_.size(), 0);
    for (std::size_t first = 0; first < runs_.size(); ++first) {
      if (drawn[first] != 0) continue;
      std::vector<std::size_t> together = {first};
      for (std::size_t i = first + 1; i < runs_.size(); ++i) {
        if (drawn[i] == 0 && may_share(first, i)) together.push_back(i);
      }
      for (const auto i : together) drawn[i] = 1;
      if (is_wanted(together)) units.push_back(std::move(together));
    }
    const auto lanes = lanes_of(base_);
    Turns turns(units.size(), 2 * lanes.size());
    if (lanes.size() == 1 || units.size() < lanes.size()) {  // each of few units is divided itself
      work(units, turns, std::nullopt);
    } else {
      if (base_.verbose > 0) print_message("cells are divided among " + lanes_text(lanes));
      engine().side_by_side(lanes.size(), turns,
                            [&](std::size_t lane) { work(units, turns, lane); });
    }
    return stopped_ != 0 ? stopped_ : conclude();
  }

 private:
  /// Draws units, cells that share batches, as long as there are any: on one lane or each on all.
  void work(const std::vector<std::vector<std::size_t>>& units, Turns& turns,
            const std::optional<std::size_t>& lane) {
    while (const auto unit = turns.begin()) {
      const auto& cells = units[*unit];
      Turn turn(turns, *unit);
      for (const auto i : cells) {
        runs_[i].place->turn = &turn;
        if (lane) put_on_lane(runs_[i], *lane);
      }
      draw(cells);
      if (!turn.take()) return;  // one before it ended the grid
      stopped_ = report(cells);
      if (stopped_ != 0) return turns.stop();
      turns.pass();
    }
  }

  bool is_wanted(const std::vector<std::size_t>& cells) const {
    return !base_.only ||
           std::ranges::find(cells, static_cast<std::size_t>(*base_.only)) != cells.end();
  }

  /// A swap's branches stand side by side in a batch; a scale of 1 saves the negative prompt's
  /// rows.
  bool may_share(std::size_t a, std::size_t b) const {
    const auto &first = runs_[a].options, &second = runs_[b].options;
    return is_one_picture(first) && is_one_picture(second) &&
           grid_.batch_key(a) == grid_.batch_key(b) &&
           runs_[a].networks.key() == runs_[b].networks.key() &&
           (first.guidance_scale == 1) == (second.guidance_scale == 1) &&
           first.swap.targets.size() == second.swap.targets.size() &&
           first.swap.source.has_value() == second.swap.source.has_value();
  }

  /// Of a run that leaves nothing but pictures and maps: what else it writes is of a whole batch.
  static bool is_one_picture(const DrawOptions& run) {
    return run.n_samples == 1 && run.n_iter == 1 && !run.combinations &&
           run.seed_mode == SeedMode::kBatch && !run.save_latents && !run.attn.saves();
  }

  void draw(const std::vector<std::size_t>& cells) {
    if (cells.size() == 1) {
      engine().draw_task(runs_[cells.front()], outcomes_[cells.front()]);
    } else {
      draw_together(cells);
    }
  }

  /// Returns the exit code where nothing further can be drawn.
  int report(const std::vector<std::size_t>& cells) {
    for (const auto i : cells) {
      const auto& outcome = outcomes_[i];
      if (outcome.code == 0) continue;
      report_error(fmt::format("{}: {}", grid_.label(i), outcome.error), outcome.code, base_.json,
                   {{"cell", grid_.label(i)}});
      ++failed_;
      const bool stopped = outcome.code == static_cast<int>(ExitCode::kInterrupted) ||
                           outcome.code == static_cast<int>(ExitCode::kInputOutput);
      if (stopped) return outcome.code;
    }
    return 0;
  }

  void draw_together(const std::vector<std::size_t>& cells) {
    GridCells shared;
    shared.count = static_cast<int64_t>(runs_.size());
    shared.given = base_.given;
    shared.grid = base_.batch.grid;
    for (const auto i : cells) {
      if (base_.only && i == static_cast<std::size_t>(*base_.only))
        shared.only = shared.cells.size();
      shared.cells.push_back(runs_[i]);
      shared.numbers.push_back(static_cast<int64_t>(i));
    }
    std::vector<DrawOutcome> outcomes;
    engine().draw_cells(shared, outcomes);
    for (std::size_t i = 0; i < cells.size(); ++i) outcomes_[cells[i]] = std::move(outcomes[i]);
  }

  void write_sheet() const {
    const auto drawn = std::ranges::find_if(
        outcomes_, [](const DrawOutcome& outcome) { return outcome.making.has_value(); });
    if (drawn == outcomes_.end()) return;
    std::vector<LabelledImage> cells;
    int64_t width = 0, height = 0;
    for (const auto& outcome : outcomes_) {
      cells.push_back({cell_picture(outcome.drawn), outcome.code == 0 ? "" : "failed"});
      width = std::max(width, cells.back().image.width);
      height = std::max(height, cells.back().image.height);
    }
    for (auto& cell : cells) cell.image = on_white(cell.image, width, height);
    const auto sheet = labelled_sheet(cells, static_cast<int64_t>(grid_.columns()), grid_.labels());
    const auto path =
        OutputFolder(base_.folder())
            .write_sheet(encode_png(sheet, texts_of(*drawn->making, base_, cells.size())));
    StandardOutput().line(base_.json ? grid_json_line(path, cells.size()) : path.string());
  }

  int conclude() const {
    if (!base_.only) write_sheet();
    if (failed_ == 0) return static_cast<int>(ExitCode::kDone);
    print_message(fmt::format("{} of {} failed", failed_, counted(runs_.size(), "picture")));
    return static_cast<int>(ExitCode::kPartOfBatch);
  }

  const DrawOptions& base_;
  Grid grid_;
  std::vector<DrawPlan> runs_;
  std::vector<DrawOutcome> outcomes_;
  // These belong to the unit whose turn it is.
  std::size_t failed_ = 0;
  int stopped_ = 0;
};

}  // namespace

int draw_grid(const DrawCommand& command, MakeDrawCommand make) {
  const auto& base = *command.options;
  if (base.from_file) throw UsageError("--grid and --from-file: one of them says what to draw");
  if (base.batch.resume || base.batch.shard || base.batch.confined) {
    throw UsageError("--grid: --resume, --shard and --confined belong to the tasks of --from-file");
  }
  if (base.sharing.style_aligned) {
    throw UsageError(
        "--style-aligned: pictures of a batch follow its first, and cells of a grid are pictures "
        "of "
        "their own\nLeave --style-aligned or --grid out.");
  }
  return GridRun(command, make).draw();
}

}  // namespace sd::cli
