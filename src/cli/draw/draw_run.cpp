#include "cli/draw/draw_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "cli/plan/model_fit.h"
#include "cli/plan/prompt_chunks.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/json_lines.h"

namespace sd::cli {
namespace {

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

}  // namespace

DrawRun::DrawRun(const DrawOptions& options, KeptModel& kept, DrawOutcome& outcome)
    : options_(options),
      kept_model_(kept),
      outcome_(outcome),
      progress_(wants_progress_line(options.quiet)) {
  if (options_.picture.preview) preview_.emplace(options_.picture);
}

ExitCode DrawRun::run() {
  prepare();
  // Not before: until here Ctrl-C may simply end the process, also while stdin is read.
  const InterruptGuard guard;
  try {
    load();
    if (may_be_there() && finds_all()) return ExitCode::kDone;
    announce_prompts();
    RunNoise noise(seed_rule_of(options_), torch::Device(record_.device));
    draw_all(noise);
  } catch (...) {
    progress_.clear();
    conclude_early();
    throw;
  }
  save_latents();
  save_grid();
  if (options_.verbose > 0) {
    // scripts/bench_peers.py reads this line.
    say(fmt::format("timing: load={:.3f}s sample={:.3f}s evals={} decode={:.3f}s", load_seconds_,
                    timing_.sample, timing_.unet_calls, timing_.decode));
  }
  const std::size_t bad = failed_ + prompts_.bad_lines.size();
  if (bad == 0) return ExitCode::kDone;
  say(fmt::format("{} could not be drawn; {} done", counted(bad, "prompt"),
                  counted(saved_, "picture")));
  return ExitCode::kPartOfBatch;
}

void DrawRun::load() {
  const double began = now();
  load_request_.on_progress = [this](const Progress& progress) {
    return on_progress(progress, 0, 0);
  };
  model_ = &kept_model_.load(load_request_);
  load_seconds_ = now() - began;
  progress_.clear();
  record_.model_format = model_->format;
  record_.device = model_->device;
  record_.dtype = model_->dtype;
  const auto& config = model_->config;
  const auto name = load_request_.checkpoint.string();
  fit_to_model(options_, config, name);
  options_.swap.blend_res = options_.swap.blend_res.value_or(
      default_blend_res(config, std::min(record_.width, record_.height) / options_.f));
  record_.options.input = options_.input;
  record_.options.swap.blend_res = options_.swap.blend_res;
  record_.options.prediction = config.prediction;
  const auto no_step = no_step_notice(options_.input, options_.ddim_steps);
  if (!no_step.empty()) say((options_.place ? options_.place->label : "") + no_step);
  if (model_->prediction_assumed && !follows()) say(prediction_notice(*config.prediction, name));
  attn_.emplace(options_.attn, options_.ddim_steps);
  attn_->prepare(*model_, reader_of_maps(options_, tokenizer_), record_.height / options_.f,
                 record_.width / options_.f);
  if (options_.verbose > 0 && !follows()) {
    say(fmt::format("{} ({}) loaded in {:.1f} s, computing in {} on {} with {}", record_.model_name,
                    record_.model_format, load_seconds_, record_.dtype, record_.device,
                    counted(static_cast<std::size_t>(record_.threads), "thread")));
  }
  if (folder_) kept_model_.start_hashing();
}

/// Pictures with random numbers of their own are drawn one by one: arithmetic depends on the size
/// of a batch in the last bit.
std::size_t DrawRun::batch_size() const {
  return options_.seed_mode == SeedMode::kImage ? 1 : drawn_together();
}

void DrawRun::for_each_batch(const std::function<void(const Batch&)>& visit) const {
  const std::size_t together = drawn_together(), size = batch_size();
  const std::size_t count = prompts_.prompts.size();
  Batch batch;
  for (batch.iteration = 0; batch.iteration < options_.n_iter; ++batch.iteration) {
    for (batch.first = 0; batch.first < count; batch.first += batch.size) {
      batch.offset = batch.first % together;
      batch.size = std::min({size, count - batch.first, together - batch.offset});
      visit(batch);
      ++batch.number;
      batch.first_sample += static_cast<int64_t>(batch.size);
    }
  }
}

void DrawRun::draw_all(RunNoise& noise) {
  const std::size_t count = prompts_.prompts.size(), size = batch_size();
  const auto batches = options_.n_iter * static_cast<int64_t>((count + size - 1) / size);
  steps_left_ = (options_.only ? 1 : batches) * options_.ddim_steps;
  begin_estimate(batches);
  for_each_batch([&](const Batch& batch) { draw(batch, noise); });
  progress_.clear();
  if (options_.verbose > 0 && rate_.per_second() > 0)
    say(fmt::format("{:.3f} s a step", 1 / rate_.per_second()));
}

bool DrawRun::wants(const Batch& batch, std::size_t sample) const {
  return !options_.only || *options_.only == batch.first_sample + static_cast<int64_t>(sample);
}

/// Passes over a batch that `--only` leaves out: one before the picture takes its random numbers
/// from the common stream.
void DrawRun::skip(const Batch& batch, RunNoise& noise) {
  const bool shares = cells_.empty() && options_.seed_mode != SeedMode::kImage;
  if (shares && batch.first_sample < *options_.only) draw_rows(batch, noise, /*noise_only=*/true);
}

/// Runs the model, or where only random numbers are to be passed over draws those.
DrawResult DrawRun::draw_rows(const Batch& batch, RunNoise& noise, bool noise_only) {
  auto request = request_for(batch, noise);
  request.noise_only = noise_only;
  if (!noise_only) attach_controls(request, batch);
  if (cells_.empty()) return sd::draw(*model_, request, noise.of_batch(batch.first_sample));
  give_cells_their_own(request, batch);
  const auto own = noise_of_cells(batch);
  request.start_latents = starts_of_cells(batch, *own);
  return sd::draw(*model_, request, *own);
}

/// With --from-file a batch that fails is reported and the rest go on; what would fail again ends
/// the run.
void DrawRun::draw(const Batch& batch, RunNoise& noise) {
  if (InterruptGuard::requested()) throw Cancelled();
  bool wanted = false;
  for (std::size_t sample = 0; sample < batch.size; ++sample) wanted |= wants(batch, sample);
  if (!wanted) return skip(batch, noise);
  steps_left_ -= options_.ddim_steps;
  const double began = now();
  DrawResult result;
  try {
    rate_.begin_batch(began);
    if (preview_) preview_->begin_batch();
    result = draw_rows(batch, noise, /*noise_only=*/false);
  } catch (const Error& error) {
    const bool hopeless = error.code() == ExitCode::kInterrupted ||
                          error.code() == ExitCode::kMemory ||
                          error.code() == ExitCode::kInputOutput;  // the model's file changed
    if (!options_.lists_prompts() || hopeless) throw;
    progress_.clear();
    const auto& first = prompts_.prompts[batch.first];
    const auto& last = prompts_.prompts[batch.first + batch.size - 1];
    const auto lines = first.line == last.line
                           ? prompt_label(first)
                           : fmt::format("lines {} to {}", first.line, last.line);
    auto where = nlohmann::ordered_json::object();
    for (std::size_t i = batch.first; i < batch.first + batch.size; ++i) {
      if (prompts_.prompts[i].line != 0) where["lines"].push_back(prompts_.prompts[i].line);
    }
    report_error(fmt::format("{}: {}", lines, error.what()), static_cast<int>(error.code()),
                 options_.json, where);
    failed_ += batch.size * targets();
    return;
  }
  timing_.sample += result.timing.sample;
  timing_.decode += result.timing.decode;
  timing_.unet_calls += result.timing.unet_calls;
  if (result.decoder_overflowed) announce_overflow();
  const double seconds = now() - began;
  drawing_seconds_ += seconds;
  save(batch, std::move(result), seconds);
}

DrawRequest DrawRun::request_for(const Batch& batch, RunNoise& noise) {
  DrawRequest request;
  request.targets.resize(targets());
  for (const auto& set : sets_of(batch)) {
    for (std::size_t t = 0; t < targets(); ++t) request.targets[t].push_back(set.targets[t]);
    if (set.source) request.source.push_back(*set.source);
  }
  const auto count = static_cast<int64_t>(batch.size);
  request.negative_prompt = options_.negative_prompt;
  request.prompt_syntax = options_.prompt_syntax;
  request.prompt_chunks = tokenizer_->chunks();
  request.clip_skip = options_.clip_skip;
  request.width = record_.width;
  request.height = record_.height;
  request.steps = options_.ddim_steps;
  request.guidance_scale = options_.scale;
  request.eta = options_.ddim_eta;
  request.sampler = options_.chosen_sampler();
  request.scheduler = options_.scheduler;
  request.seed = options_.seed.value() + static_cast<uint64_t>(batch.first_sample);
  if (cells_.empty()) request.start_latents = start_->batch(batch.first_sample, count, noise);
  if (options_.only) request.decode_only = *options_.only - batch.first_sample;
  request.decode = !options_.skip_save || !options_.skip_grid || options_.attn.draws() ||
                   (options_.place && options_.place->returns_pictures);
  if (input_) {
    request.init_image = input_->tensor;
    if (input_->mask) {
      request.mask = input_->latent_mask;
      request.pixel_mask = input_->pixel_mask;
    }
    request.strength = options_.input.strength;
    request.image_guidance_scale = options_.input.img_scale.value_or(1.0);
  } else if (options_.task == DrawTask::kSwap) {
    request.strength = 1.0;  // as the fork: the last `steps` of a schedule that may have one more
  }
  const int64_t pictures = count * static_cast<int64_t>(targets());
  if (preview_) {
    request.on_step = [this](const StepReport& step) {
      show_preview(step);
      return true;
    };
  }
  request.on_progress = [this, first = batch.first_sample * static_cast<int64_t>(targets()),
                         pictures](const Progress& progress) {
    return on_progress(progress, first, pictures);
  };
  return request;
}

std::vector<PromptSet> DrawRun::sets_of(const Batch& batch) const {
  const auto first = sets_.begin() + static_cast<std::ptrdiff_t>(batch.first);
  return {first, first + static_cast<std::ptrdiff_t>(batch.size)};
}

void DrawRun::attach_controls(DrawRequest& request, const Batch& batch) {
  auto options = options_;
  // A value a sample is that of the samples drawn at a time, of which a batch may be one. Cells
  // have one value each.
  for (auto& [word, values] : options.control.reweight) {
    if (values.size() == 1) continue;
    values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(batch.offset));
    values.resize(std::min(values.size(), batch.size));
  }
  controls_ = make_controls(options, sets_of(batch), blend_mask_, *tokenizer_);
  controller_ = attn_->begin_batch(controls_.links);
  request.controller = controller_.get();
  request.latent_edit = controls_.blend.get();
}

/// Says what is kept of a run that ends early.
void DrawRun::conclude_early() const {
  save_latents();
  if (saved_ == 0 || options_.quiet) return;
  print_message(fmt::format("{} of {} kept in {}", saved_,
                            counted(static_cast<std::size_t>(total_pictures_), "picture"),
                            (options_.outdir / "samples").string()));
}

bool DrawRun::on_progress(const Progress& progress, int64_t first_picture, int64_t count) {
  RunProgress shown;
  shown.stage = progress;
  shown.model = record_.model_name;
  // Of one picture alone, the run's other ones do not count.
  shown.first_picture = options_.only ? 1 : first_picture + 1;
  shown.last_picture = options_.only ? total_pictures_ : first_picture + count;
  shown.pictures = total_pictures_;
  if (progress.stage == Progress::Stage::kSample) {
    rate_.finished(progress.done, now());
    announce_estimate(progress, now());
    shown.steps_per_second = rate_.per_second();
    const auto left = static_cast<double>(steps_left_ + progress.total - progress.done);
    if (shown.steps_per_second > 0) shown.seconds_left = left / shown.steps_per_second;
  }
  progress_.update(shown);
  return !InterruptGuard::requested();
}

void DrawRun::say(const std::string& message) {
  if (options_.quiet) return;
  progress_.clear();
  print_message(message);
}

}  // namespace sd::cli
