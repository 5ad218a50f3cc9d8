// What of a task is there already: its pictures, whose process could not note so, or whose journal
// is lost.
#include <fmt/format.h>

#include <utility>

#include "cli/draw/draw_run.h"

namespace sd::cli {

/// Only a list that is resumed meets its own pictures, and only pictures tell what they are: maps,
/// latents and grids are drawn again.
bool DrawRun::may_be_there() const {
  return options_.batch.resume && options_.place && options_.place->picture_number &&
         !options_.place->returns_pictures && cells_.empty() && !options_.skip_save &&
         options_.skip_grid && !options_.attn.draws() && !options_.attn.saves() &&
         !options_.save_latents;
}

/// Whether every picture of the task is there to its end and says that it was drawn with all of
/// its settings.
bool DrawRun::finds_all() {
  know_hashes();
  std::vector<std::filesystem::path> found;
  bool all = true;
  for_each_batch([&](const Batch& batch) {
    for (std::size_t row = 0; all && row < batch.size * targets(); ++row) {
      const std::size_t target = row / batch.size, sample = row % batch.size;
      if (wants(batch, sample)) all = finds(record_of(batch, target, sample), found);
    }
  });
  if (!all) return false;
  outcome_.pictures = std::move(found);
  outcome_.was_there = true;
  return true;
}

bool DrawRun::finds(const PictureRecord& record, std::vector<std::filesystem::path>& found) const {
  const auto settings = task_settings(record);
  const auto path = folder_->find_task_sample(task_fields(record), task_suffix(record), settings);
  if (!path) return false;
  found.push_back(*path);
  return !settings.source || folder_->has_source(*path, *settings.source);
}

void DrawRun::say_replaced() {
  for (const auto& path : folder_->take_replaced())
    say(fmt::format("{}{} was empty or cut short, and is drawn again", label(), path.string()));
}

}  // namespace sd::cli
