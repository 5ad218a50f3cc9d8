#include "cli/draw/run_grids.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <string>
#include <utility>

#include "cli/maps/caption_marks.h"

namespace sd::cli {

void RunGrids::keep(const Batch& batch, std::vector<Image> pictures) {
  const auto first = pictures.begin();
  const auto middle = first + static_cast<std::ptrdiff_t>(batch.size * plan_.prompts.targets());
  std::move(first, middle, std::back_inserter(pictures_));
  std::move(middle, pictures.end(), std::back_inserter(sources_));
  kept_.push_back(batch);
}

/// A grid of one picture is that picture again; without single files it is all there is.
bool RunGrids::wants_grid_of(std::size_t pictures) const {
  return pictures > 1 || (pictures == 1 && plan_.options.skip_save);
}

/// As the original has it, one row a batch; prompts that differ stand as their braces do, or about
/// as many across as down.
int64_t RunGrids::grid_columns() const {
  if (plan_.options.n_rows > 0) return plan_.options.n_rows;
  if (!plan_.options.lists_prompts() || plan_.prompts.size() == 1) return plan_.options.n_samples;
  constexpr int64_t kMost = 8;  // what a screen shows side by side
  const auto count = static_cast<int64_t>(plan_.prompts.size() * plan_.prompts.targets());
  const auto square = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  // Rows that are full, if that does not make them much longer.
  for (int64_t columns = square; columns <= std::min(kMost, 2 * square); ++columns) {
    if (count % columns == 0) return columns;
  }
  return std::min(kMost, square);
}

/// What stands below each target: the weights where `--reweight` differs between samples, the
/// prompt where prompts differ; else nothing.
std::vector<Label> RunGrids::target_labels() const {
  std::vector<std::string> prompts, weights;
  for (const auto& batch : kept_) {
    for (std::size_t row = 0; row < batch.size * plan_.prompts.targets(); ++row) {
      const std::size_t target = row / batch.size, sample = row % batch.size;
      prompts.push_back(plan_.prompts.sets[batch.first + sample].targets[target]);
      weights.push_back(
          weights_text(plan_.options.control, static_cast<int64_t>(sample + batch.offset)));
    }
  }
  auto labels = marked_differences(prompts);
  const bool differ = std::set(prompts.begin(), prompts.end()).size() > 1;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!differ) labels[i] = {};
    if (!plan_.options.control.sweeps()) continue;
    if (differ) labels[i].text += '\n';
    labels[i].text += weights[i];
  }
  return labels;
}

/// Without a label the original's grid to the pixel.
Image RunGrids::labelled_grid(const std::vector<Image>& pictures,
                              const std::vector<Label>& labels) const {
  const auto columns = grid_columns();
  const bool plain = std::ranges::all_of(labels, [](const Label& l) { return l.text.empty(); });
  if (plain) return make_grid(pictures, columns);
  std::vector<LabelledImage> cells;
  for (std::size_t i = 0; i < pictures.size(); ++i) cells.push_back({pictures[i], labels[i]});
  return labelled_sheet(cells, columns);
}

/// Each source beside its targets, the words that differ marked.
Image RunGrids::swap_sheet() const {
  std::vector<LabelledImage> cells;
  std::size_t source = 0, target = 0;  // first pictures of the batch
  for (const auto& batch : kept_) {
    for (std::size_t i = 0; i < batch.size; ++i) {
      const auto& set = plan_.prompts.sets[batch.first + i];
      std::vector<std::string> prompts = {*set.source};
      prompts.insert(prompts.end(), set.targets.begin(), set.targets.end());
      auto labels = marked_differences(prompts);
      cells.push_back({sources_[source + i], std::move(labels[0])});
      for (std::size_t t = 0; t < plan_.prompts.targets(); ++t) {
        auto& label = labels[1 + t];
        if (plan_.options.control.sweeps()) {
          label.text += '\n';
          label.text += weights_text(plan_.options.control, static_cast<int64_t>(i + batch.offset));
        }
        cells.push_back({pictures_[target + t * batch.size + i], std::move(label)});
      }
    }
    source += batch.size;
    target += batch.size * plan_.prompts.targets();
  }
  return labelled_sheet(cells, static_cast<int64_t>(1 + plan_.prompts.targets()));
}

std::vector<Label> RunGrids::source_labels() const {
  std::vector<std::string> sources;
  for (const auto& batch : kept_) {
    for (std::size_t i = 0; i < batch.size; ++i)
      sources.push_back(*plan_.prompts.sets[batch.first + i].source);
  }
  auto labels = marked_differences(sources);
  if (std::set(sources.begin(), sources.end()).size() == 1) labels.assign(sources.size(), {});
  return labels;
}

void RunGrids::write(PictureFiles& files, const RunRecords& records, const Told& told) const {
  if (plan_.options.skip_grid || pictures_.empty()) return;
  const auto first = records.picture(kept_.front(), 0, 0);
  if (plan_.prompts.swaps()) return write_swap_grids(files, first, told);
  if (!wants_grid_of(pictures_.size())) return;
  const auto grid = labelled_grid(pictures_, target_labels());
  told(files.write_grid(first, grid, pictures_.size()), pictures_.size());
}

/// The fork's two grids, named after the prompts, and the sheet of both.
void RunGrids::write_swap_grids(PictureFiles& files, const PictureRecord& first,
                                const Told& told) const {
  const auto write_named = [&](const std::vector<Image>& pictures, const std::vector<Label>& labels,
                               const std::string& prompt, const char* suffix) {
    if (!wants_grid_of(pictures.size())) return;
    const auto grid = labelled_grid(pictures, labels);
    told(files.write_named_grid(first, grid, pictures_.size(), prompt, suffix), pictures.size());
  };
  const auto& set = plan_.prompts.sets[kept_.front().first];
  write_named(pictures_, target_labels(), set.targets.front(), "_tar");
  write_named(sources_, source_labels(), *set.source, "_src");
  const std::size_t count = pictures_.size() + sources_.size();
  told(files.write_sheet(first, swap_sheet(), count), count);
}

}  // namespace sd::cli
