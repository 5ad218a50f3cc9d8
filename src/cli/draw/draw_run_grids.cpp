// The grids and sheets of a run.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "cli/draw/draw_run.h"
#include "cli/maps/caption_marks.h"
#include "sd/image/label.h"

namespace sd::cli {

/// A grid of one picture is that picture again; without single files it is all there is.
bool DrawRun::wants_grid_of(std::size_t pictures) const {
  return pictures > 1 || (pictures == 1 && options_.skip_save);
}

/// As the original has it, one row a batch; prompts that differ stand as their braces do, or about
/// as many across as down.
int64_t DrawRun::grid_columns() const {
  if (options_.n_rows > 0) return options_.n_rows;
  if (!options_.lists_prompts() || sets_.size() == 1) return options_.n_samples;
  constexpr int64_t kMost = 8;  // what a screen shows side by side
  const auto count = static_cast<int64_t>(sets_.size() * targets());
  const auto square = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  // Rows that are full, if that does not make them much longer.
  for (int64_t columns = square; columns <= std::min(kMost, 2 * square); ++columns) {
    if (count % columns == 0) return columns;
  }
  return std::min(kMost, square);
}

/// What stands below each target: the weights where `--reweight` differs between samples, the
/// prompt where prompts differ; else nothing.
std::vector<Label> DrawRun::target_labels() const {
  std::vector<std::string> prompts, weights;
  for (const auto& batch : kept_) {
    for (std::size_t row = 0; row < batch.size * targets(); ++row) {
      const std::size_t target = row / batch.size, sample = row % batch.size;
      prompts.push_back(sets_[batch.first + sample].targets[target]);
      weights.push_back(
          weights_text(options_.control, static_cast<int64_t>(sample + batch.offset)));
    }
  }
  auto labels = marked_differences(prompts);
  const bool differ = std::set(prompts.begin(), prompts.end()).size() > 1;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!differ) labels[i] = {};
    if (!options_.control.sweeps()) continue;
    if (differ) labels[i].text += '\n';
    labels[i].text += weights[i];
  }
  return labels;
}

/// Without a label the original's grid to the pixel.
Image DrawRun::labelled_grid(const std::vector<Image>& pictures,
                             const std::vector<Label>& labels) const {
  const auto columns = grid_columns();
  const bool plain = std::ranges::all_of(labels, [](const Label& l) { return l.text.empty(); });
  if (plain) return make_grid(pictures, columns);
  std::vector<LabelledImage> cells;
  for (std::size_t i = 0; i < pictures.size(); ++i) cells.push_back({pictures[i], labels[i]});
  return labelled_sheet(cells, columns);
}

void DrawRun::save_grid() {
  if (options_.skip_grid || pictures_.empty()) return;
  if (swaps()) return save_swap_grids();
  if (!wants_grid_of(pictures_.size())) return;
  const auto file = encoded_grid(labelled_grid(pictures_, target_labels()), pictures_.size());
  const auto path = folder_->write_grid(file.bytes, file.instead);
  output_.line(options_.json ? grid_json_line(path, pictures_.size()) : path.string());
}

/// Each source beside its targets, the words that differ marked.
Image DrawRun::swap_sheet() const {
  std::vector<LabelledImage> cells;
  std::size_t source = 0, target = 0;  // first pictures of the batch
  for (const auto& batch : kept_) {
    for (std::size_t i = 0; i < batch.size; ++i) {
      const auto& set = sets_[batch.first + i];
      std::vector<std::string> prompts = {*set.source};
      prompts.insert(prompts.end(), set.targets.begin(), set.targets.end());
      auto labels = marked_differences(prompts);
      cells.push_back({sources_[source + i], std::move(labels[0])});
      for (std::size_t t = 0; t < targets(); ++t) {
        auto& label = labels[1 + t];
        if (options_.control.sweeps()) {
          label.text += '\n';
          label.text += weights_text(options_.control, static_cast<int64_t>(i + batch.offset));
        }
        cells.push_back({pictures_[target + t * batch.size + i], std::move(label)});
      }
    }
    source += batch.size;
    target += batch.size * targets();
  }
  return labelled_sheet(cells, static_cast<int64_t>(1 + targets()));
}

/// The fork's two grids, named after the prompts, and the sheet of both.
void DrawRun::save_swap_grids() {
  const auto print = [&](const std::filesystem::path& path, std::size_t count) {
    output_.line(options_.json ? grid_json_line(path, count) : path.string());
  };
  const auto& first = sets_[kept_.front().first];
  const auto write_named = [&](const std::vector<Image>& pictures, const std::vector<Label>& labels,
                               const std::string& prompt, const char* suffix) {
    if (!wants_grid_of(pictures.size())) return;
    const auto file = encoded_grid(labelled_grid(pictures, labels), pictures_.size());
    print(folder_->write_named(file.bytes, file_name_part(prompt), suffix, file.instead),
          pictures.size());
  };
  std::vector<std::string> sources;
  for (const auto& batch : kept_) {
    for (std::size_t i = 0; i < batch.size; ++i) sources.push_back(*sets_[batch.first + i].source);
  }
  auto source_labels = marked_differences(sources);
  if (std::set(sources.begin(), sources.end()).size() == 1)
    source_labels.assign(sources.size(), {});
  write_named(pictures_, target_labels(), first.targets.front(), "_tar");
  write_named(sources_, source_labels, *first.source, "_src");
  const std::size_t count = pictures_.size() + sources_.size();
  const auto sheet = encoded_grid(swap_sheet(), count);
  print(folder_->write_sheet(sheet.bytes, sheet.instead), count);
}

}  // namespace sd::cli
