#include "cli/plan/grid_cells.h"

#include <algorithm>
#include <utility>

#include "cli/options/attn_words.h"
#include "cli/plan/compose_regions.h"
#include "cli/plan/prompt_chunks.h"
#include "cli/plan/run_extent.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

// About the memory of the original's three pictures of 512x512.
constexpr int64_t kMostPixels = int64_t{4} * 512 * 512;
constexpr int64_t kMostCells = 16;

RunPrompts prompts_of(const GridCells& cells) {
  RunPrompts prompts;
  for (const auto& cell : cells.cells) {
    auto set = cell.prompts.sets.front();
    set.own = &cell.options;
    prompts.listed.push_back({0, set.targets.front()});
    prompts.sets.push_back(std::move(set));
  }
  return prompts;
}

/// Those of all cells' prompts.
PlanEmbeddings embeddings_of(const DrawPlan& plan) {
  auto prompts = distinct_prompts(plan.options, plan.drawn());
  for (const auto& set : plan.prompts.sets) prompts.push_back(set.own->negative_prompt);
  return plan_embeddings(plan.options, prompts, *plan.model, [](const std::string&) {});
}

/// As for a run of each one's own. Prompts of a batch get as many chunks as the longest needs, so
/// that a shorter one would come out otherwise than alone.
void check_cells(const GridCells& cells, const PromptReader& shared) {
  for (const auto& cell : cells.cells) {
    check_controls(cell.options, cell.prompts.sets, cell.looked_at().sets, shared);
    if (cell.options.inversion.method)
      throw UsageError("edits of an inverted picture are drawn one at a time");
    if (cell.reader->chunks() == shared.chunks()) continue;
    throw UsageError("prompts of unequal length cannot share a batch");
  }
}

}  // namespace

DrawPlan shared_plan(const GridCells& cells) {
  auto plan = cells.cells.front();
  plan.options.only.reset();
  if (cells.only) plan.options.only = static_cast<int64_t>(*cells.only);
  plan.prompts = prompts_of(cells);
  compose_regions(plan);
  plan.networks.sets.clear();
  for (const auto& cell : cells.cells) {
    const auto& uses = cell.networks.sets;
    plan.networks.sets.insert(plan.networks.sets.end(), uses.begin(), uses.end());
  }
  plan.embeddings = embeddings_of(plan);
  plan.reader = reader_of_plan(plan, plan.options);
  check_cells(cells, *plan.reader);
  check_attn(plan.options.attn, attn_subject(plan.options, plan.looked_at()),
             *reader_of_maps(plan.options, plan.reader));
  settle_extent(plan, [](const std::string&) {});  // its cells have said all
  plan.samples = cells.count;
  const auto branches = static_cast<int64_t>(plan.prompts.branches());
  const int64_t fit = kMostPixels / (plan.width() * plan.height() * branches);
  plan.together = static_cast<std::size_t>(std::clamp<int64_t>(fit, 1, kMostCells));
  return plan;
}

}  // namespace sd::cli
