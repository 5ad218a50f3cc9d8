#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cli/plan/draw_plan.h"

namespace sd::cli {

/// Samples [first, first + size) of the prompts, in iteration `iteration`, which are drawn at once.
struct Batch {
  int64_t number = 0;
  int64_t iteration = 0;
  std::size_t first = 0;
  std::size_t size = 0;
  int64_t first_sample = 0;  // in the whole run
  std::size_t offset = 0;    // of the first sample among those drawn at a time
};

/// Calls visit with every batch of the run in their order, those that `--only` leaves out too.
void for_each_batch(const DrawPlan& plan, const std::function<void(const Batch&)>& visit);

/// How many that are.
int64_t batch_count(const DrawPlan& plan);

/// Whether this sample of a batch is one that is drawn.
bool wants(const DrawPlan& plan, const Batch& batch, std::size_t sample);
/// Whether any of a batch is.
bool wants_any(const DrawPlan& plan, const Batch& batch);

/// Fills in how much a plan with prompts and size draws: samples, pictures, how many at a time,
/// whether a grid shows them. Throws UsageError for a picture (`--only`) that the run does not
/// have.
void settle_extent(DrawPlan& plan, const Say& say);

}  // namespace sd::cli
