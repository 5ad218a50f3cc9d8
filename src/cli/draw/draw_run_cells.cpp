// Cells of a grid: samples of common batches that differ in prompts, scales, seeds and words.
#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

#include "cli/draw/draw_run.h"
#include "cli/plan/model_fit.h"
#include "cli/plan/prompt_chunks.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

// About the memory of the original's three pictures of 512x512.
constexpr int64_t kMostPixels = int64_t{4} * 512 * 512;
constexpr int64_t kMostCells = 16;

}  // namespace

DrawRun::DrawRun(const GridCells& cells, KeptModel& kept, std::vector<DrawOutcome>& outcomes)
    : DrawRun(cells.cells.front(), kept, outcomes.front()) {
  cells_ = cells.cells;
  cell_numbers_ = cells.numbers;
  grid_ = cells.given;
  outcomes_ = &outcomes;
  record_.samples = cells.count;
  if (cells.only) options_.only = static_cast<int64_t>(*cells.only);
}

/// A prompt, or a source and its targets, a cell.
void DrawRun::read_cells() {
  for (const auto& cell : cells_) {
    auto set = cell.task == DrawTask::kSwap ? PromptSet{cell.swap.targets, cell.swap.source, &cell}
                                            : PromptSet{{cell.prompt}, std::nullopt, &cell};
    prompts_.prompts.push_back({0, set.targets.front()});
    sets_.push_back(std::move(set));
  }
}

/// As for a run of each one's own. Prompts of a batch get as many chunks as the longest needs, so
/// that a shorter one would come out otherwise than alone.
void DrawRun::check_cells() {
  for (const auto& set : sets_) {
    check_controls(*set.own, {set}, *tokenizer_);
    if (reader_of(*set.own, {set}, plain_tokenizer_)->chunks() == tokenizer_->chunks()) continue;
    throw UsageError("prompts of unequal length cannot share a batch");
  }
}

/// How many samples a batch has; random numbers of their own may make it one.
std::size_t DrawRun::drawn_together() const {
  if (cells_.empty()) return static_cast<std::size_t>(options_.n_samples);
  const auto branches = static_cast<int64_t>(targets()) + (swaps() ? 1 : 0);
  const int64_t fit = kMostPixels / (record_.width * record_.height * branches);
  return static_cast<std::size_t>(std::clamp<int64_t>(fit, 1, kMostCells));
}

std::array<int64_t, 3> DrawRun::latent_shape() const {
  return {options_.C, record_.height / options_.f, record_.width / options_.f};
}

void DrawRun::give_cells_their_own(DrawRequest& request, const Batch& batch) const {
  for (const auto& set : sets_of(batch)) {
    request.guidance_scales.push_back(set.own->scale);
    request.negative_prompts.push_back(set.own->negative_prompt);
    request.seeds.push_back(set.own->seed.value());
  }
}

std::unique_ptr<SampleNoise> DrawRun::noise_of_cells(const Batch& batch) const {
  std::vector<std::unique_ptr<RunNoise>> streams;
  for (const auto& set : sets_of(batch)) {
    streams.push_back(
        std::make_unique<RunNoise>(seed_rule_of(*set.own), torch::Device(record_.device)));
  }
  return std::make_unique<SampleNoise>(std::move(streams));
}

torch::Tensor DrawRun::starts_of_cells(const Batch& batch, SampleNoise& noise) const {
  const auto shape = latent_shape();
  std::vector<torch::Tensor> starts;
  for (const auto& set : sets_of(batch)) {
    auto& stream = noise.of(starts.size());
    auto start = start_latents_of(*set.own, shape).batch(0, 1, stream);
    starts.push_back(start ? *start : stream.of_batch(0).randn({1, shape[0], shape[1], shape[2]}));
  }
  return at::cat(starts);
}

/// What a picture says of its run: a cell speaks of itself and of the grid that it belongs to.
RunRecord DrawRun::run_of(const PictureRecord& picture) const {
  auto run = record_;
  if (cells_.empty()) return run;
  const auto found = std::ranges::find(cell_numbers_, picture.sample_index);
  run.options = cells_[static_cast<std::size_t>(found - cell_numbers_.begin())];
  run.options.given = grid_;
  run.options.config = record_.options.config;
  run.options.input = record_.options.input;
  run.options.swap.blend_res = record_.options.swap.blend_res;
  run.options.prediction = record_.options.prediction;
  return run;
}

DrawOutcome& DrawRun::outcome_of(const PictureRecord& picture) {
  if (outcomes_ == nullptr) return outcome_;
  const auto found = std::ranges::find(cell_numbers_, picture.sample_index);
  return (*outcomes_)[static_cast<std::size_t>(found - cell_numbers_.begin())];
}

}  // namespace sd::cli
