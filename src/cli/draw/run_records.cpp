#include "cli/draw/run_records.h"

#include <algorithm>
#include <tuple>

#include "cli/record/repeat_args.h"
#include "sd/pipeline/load.h"

namespace sd::cli {

RunRecords::RunRecords(const Drawing& drawing) : drawing_(drawing) {
  const auto& plan = drawing.plan;
  const auto& options = plan.options;
  run_.options = options;
  run_.width = plan.width();
  run_.height = plan.height();
  run_.model_name = plan.model_name;
  run_.threads = options.threads > 0 ? static_cast<int>(options.threads) : physical_cores();
  run_.samples = plan.samples;
  run_.embeddings = plan.embeddings.used;
  run_.file_hashes = hash_input_files(options.given);
}

void RunRecords::know_model(const LoadedModel& model) {
  run_.model_format = model.format;
  // Not which of several GPUs: their pictures are the same bytes.
  run_.device = model.device.substr(0, model.device.find(':'));
  run_.dtype = model.dtype;
}

void RunRecords::know_hashes(const KeptModel& kept) {
  std::tie(run_.model_hash, run_.vae_hash, run_.clip_hash) = std::tuple_cat(kept.hashes());
  for (const auto& network : drawing_.plan.networks.all)
    run_.lora_hashes[network.name] = kept.network_hash(network.path);
}

std::size_t RunRecords::cell_of(const PictureRecord& picture) const {
  if (drawing_.cells == nullptr) return 0;
  const auto& numbers = drawing_.cells->numbers;
  return static_cast<std::size_t>(std::ranges::find(numbers, picture.sample_index) -
                                  numbers.begin());
}

RunRecord RunRecords::run_of(const PictureRecord& picture) const {
  auto run = run_;
  if (drawing_.cells == nullptr) return run;
  const auto& cell = drawing_.cells->cells[cell_of(picture)];
  run.options = cell.options;
  run.embeddings = cell.embeddings.used;
  run.options.given = drawing_.cells->given;
  run.options.batch.grid = drawing_.cells->grid;
  return run;
}

const std::optional<TaskPlace>& RunRecords::place_of(const PictureRecord& picture) const {
  if (drawing_.cells == nullptr) return drawing_.plan.place;
  return drawing_.cells->cells[cell_of(picture)].place;
}

DrawOutcome& RunRecords::outcome_of(const PictureRecord& picture) const {
  return *drawing_.outcomes[cell_of(picture)];
}

PictureRecord RunRecords::picture(const Batch& batch, std::size_t target,
                                  std::size_t sample) const {
  const auto& plan = drawing_.plan;
  const auto& prompts = plan.prompts;
  const auto& set = prompts.sets[batch.first + sample];
  const auto targets = static_cast<int64_t>(prompts.targets());
  const bool lists = plan.options.lists_prompts();
  PictureRecord picture;
  picture.prompt = set.targets[target];
  picture.source = set.source;
  picture.target = static_cast<int64_t>(target);
  // Without a list there is one prompt, however many pictures.
  picture.prompt_index = lists ? static_cast<int64_t>(batch.first + sample) : 0;
  picture.prompt_count = lists ? static_cast<int64_t>(prompts.size()) : 1;
  picture.prompt_line = prompts.listed[batch.first + sample].line;
  picture.iteration = batch.iteration;
  picture.batch = batch.number;
  picture.batch_size = static_cast<int64_t>(batch.size);
  picture.sample = static_cast<int64_t>(sample + batch.offset);
  picture.row = static_cast<int64_t>(target * batch.size + sample);
  picture.sample_index = batch.first_sample + static_cast<int64_t>(sample);
  picture.index = batch.first_sample * targets + picture.row;
  if (drawing_.cells != nullptr) {
    picture.sample_index = drawing_.cells->numbers[batch.first + sample];
    picture.index = picture.sample_index * targets + picture.target;
  }
  return picture;
}

}  // namespace sd::cli
