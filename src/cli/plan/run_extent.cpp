#include "cli/plan/run_extent.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr int64_t kMaxGridPixels = int64_t{400} * 1000 * 1000;

/// Pictures with random numbers of their own are drawn one by one: arithmetic depends on the size
/// of a batch in the last bit.
std::size_t batch_size(const DrawPlan& plan) {
  return plan.options.seed_mode == SeedMode::kImage ? 1 : plan.together;
}

/// Of the largest picture that shows all of the run's, at most.
int64_t grid_pixels(const DrawPlan& plan) {
  const auto& prompts = plan.prompts;
  if (!prompts.swaps() && !plan.options.control.sweeps()) {
    return plan.pictures * plan.width() * plan.height();
  }
  constexpr int64_t kMargin = 64;  // room for a caption and what is between cells
  const auto sources =
      static_cast<int64_t>(prompts.swaps() ? prompts.size() : 0) * plan.options.n_iter;
  return (plan.pictures + sources) * (plan.width() + kMargin) * (plan.height() + kMargin);
}

}  // namespace

void for_each_batch(const DrawPlan& plan, const std::function<void(const Batch&)>& visit) {
  const std::size_t size = batch_size(plan), count = plan.prompts.size();
  Batch batch;
  for (batch.iteration = 0; batch.iteration < plan.options.n_iter; ++batch.iteration) {
    for (batch.first = 0; batch.first < count; batch.first += batch.size) {
      batch.offset = batch.first % plan.together;
      batch.size = std::min({size, count - batch.first, plan.together - batch.offset});
      visit(batch);
      ++batch.number;
      batch.first_sample += static_cast<int64_t>(batch.size);
    }
  }
}

int64_t batch_count(const DrawPlan& plan) {
  const std::size_t size = batch_size(plan);
  return plan.options.n_iter * static_cast<int64_t>((plan.prompts.size() + size - 1) / size);
}

bool wants(const DrawPlan& plan, const Batch& batch, std::size_t sample) {
  const auto& only = plan.options.only;
  return !only || *only == batch.first_sample + static_cast<int64_t>(sample);
}

bool wants_any(const DrawPlan& plan, const Batch& batch) {
  for (std::size_t sample = 0; sample < batch.size; ++sample) {
    if (wants(plan, batch, sample)) return true;
  }
  return false;
}

void settle_extent(DrawPlan& plan, const Say& say) {
  auto& options = plan.options;
  const auto targets = static_cast<int64_t>(plan.prompts.targets());
  const auto samples = static_cast<int64_t>(plan.prompts.size()) * options.n_iter;
  plan.together = static_cast<std::size_t>(options.n_samples);
  plan.samples = samples;
  plan.pictures = samples * targets;
  if (options.only) {
    if (*options.only >= samples) {
      throw UsageError(fmt::format("--only {}: the run has {}, counted from 0", *options.only,
                                   counted(static_cast<std::size_t>(samples), "picture")));
    }
    plan.pictures = targets;
    options.skip_grid = true;  // one picture alone needs none
  }
  if (options.skip_grid || grid_pixels(plan) <= kMaxGridPixels) return;
  if (!options.quiet) {
    say(fmt::format("no grid is drawn: {} pictures of {}x{} are too many for one picture",
                    plan.pictures, plan.width(), plan.height()));
  }
  options.skip_grid = true;
}

}  // namespace sd::cli
