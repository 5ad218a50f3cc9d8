#include "cli/draw_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "cli/combinations.h"
#include "cli/find_model.h"
#include "cli/interrupt.h"
#include "cli/model_fit.h"
#include "cli/prompt_chunks.h"
#include "cli/prompt_notice.h"
#include "cli/repeat_args.h"
#include "sd/core/atomic_file.h"
#include "sd/pipeline/inspect.h"

namespace sd::cli {
namespace {

constexpr int64_t kMaxGridPixels = int64_t{400} * 1000 * 1000;

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

constexpr std::size_t kShownPrompt = 60;

std::string prompt_label(const ListedPrompt& prompt) {
  return prompt.line == 0 ? fmt::format("\"{}\"", shorten(prompt.text, kShownPrompt))
                          : fmt::format("line {}", prompt.line);
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
    announce_cut_prompts();
    RunNoise noise(options_, torch::Device(record_.device));
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

/// Everything that can fail without the model, before seconds are spent on loading it.
void DrawRun::prepare() {
  find_weights();
  read_prompts();
  check_sources();
  tokenizer_ = reader_of(options_, sets_, plain_tokenizer_);
  check_controls(options_, sets_, *tokenizer_);
  check_attn(options_.attn, attn_subject(), *reader_of_maps(options_, tokenizer_));
  record_.samples = static_cast<int64_t>(prompts_.prompts.size()) * options_.n_iter;
  total_pictures_ = record_.samples * static_cast<int64_t>(targets());
  settle_only();
  start_.emplace(options_,
                 std::array{options_.C, record_.height / options_.f, record_.width / options_.f});
  if (options_.swap.blend_mask) {
    blend_mask_ =
        read_latent_mask(*options_.swap.blend_mask, {record_.width, record_.height}, options_.f);
  }
  // Last: what is wrong above leaves nothing behind.
  if (!options_.skip_save || !options_.skip_grid) {
    folder_.emplace(options_.outdir, options_.picture.format,
                    NameTemplate::parse(options_.picture.name));
  }
  if (options_.save_latents) make_writable_folder(*options_.save_latents);
  if (!options_.skip_grid && grid_pixels() > kMaxGridPixels) {
    say(fmt::format("no grid is drawn: {} pictures of {}x{} are too many for one picture",
                    total_pictures_, record_.width, record_.height));
    options_.skip_grid = true;
  }
}

/// One picture alone needs no grid, and must be one of the run.
void DrawRun::settle_only() {
  if (!options_.only) return;
  const int64_t samples = total_pictures_ / static_cast<int64_t>(targets());
  if (*options_.only >= samples) {
    throw UsageError(fmt::format("--only {}: the run has {}, counted from 0", *options_.only,
                                 counted(static_cast<std::size_t>(samples), "picture")));
  }
  total_pictures_ = static_cast<int64_t>(targets());
  options_.skip_grid = true;
}

/// Of the largest picture that shows all of the run's, at most.
int64_t DrawRun::grid_pixels() const {
  if (!swaps() && !options_.control.sweeps()) {
    return total_pictures_ * record_.width * record_.height;
  }
  constexpr int64_t kMargin = 64;  // room for a caption and what is between cells
  const auto sources = static_cast<int64_t>(swaps() ? sets_.size() : 0) * options_.n_iter;
  return (total_pictures_ + sources) * (record_.width + kMargin) * (record_.height + kMargin);
}

/// Options of `sd swap` that only a file of prompts could have made sense of.
void DrawRun::check_sources() const {
  if (!options_.from_file || options_.task != DrawTask::kSwap) return;
  const bool asks = options_.swap.is_swap || options_.swap.mode == SwapMode::kPromptToPrompt;
  if (asks && !swaps()) {
    throw UsageError(fmt::format(
        "--from-file: {} names no source to swap with\nExpected source and target with a tab "
        "between on each line, or --sprompt.",
        *options_.from_file));
  }
  for (std::size_t i = 0; i < sets_.size(); ++i) {
    if (options_.quiet || sets_[i].source != sets_[i].targets.front()) continue;
    print_message(fmt::format("line {}: the target equals the source and will be it again",
                              prompts_.prompts[i].line));
  }
}

void DrawRun::find_weights() {
  const auto found = find_model(options_.ckpt, model_roots());
  if (found.is_demo && !follows()) {
    say(fmt::format("no --ckpt given and no {}: using the demo model in {}", kDefaultCheckpoint,
                    found.checkpoint.string()));
  }
  load_request_.checkpoint = found.checkpoint;
  load_request_.config = options_.config;
  load_request_.separate = {options_.vae, options_.clip};
  load_request_.ema = options_.ema;
  load_request_.device = options_.device;
  load_request_.dtype = options_.dtype;
  load_request_.prediction = options_.prediction;
  load_request_.threads = static_cast<int>(options_.threads);
  const auto config = inspect_model(load_request_.files());
  plain_tokenizer_ = make_tokenizer(config.text);

  record_.options = options_;
  record_.file_hashes = hash_input_files(options_.given);
  if (!options_.config) record_.options.config = sidecar_config(found.checkpoint);
  record_.model_name = model_name(found.checkpoint);
  record_.threads = options_.threads > 0 ? static_cast<int>(options_.threads) : physical_cores();
  settle_size(config.default_pixels());
}

/// An input picture decides the size, or the model does, unless told otherwise.
void DrawRun::settle_size(int64_t model_side) {
  if (!options_.input.init_img) {
    const bool told = options_.W && options_.H;
    const int64_t side = told ? 0 : checked_default_side(model_side, record_.model_name);
    record_.width = options_.W.value_or(side);
    record_.height = options_.H.value_or(side);
    return;
  }
  input_ = read_input(options_.input, options_.W, options_.H, options_.f,
                      [this](const std::string& text) { say(text); });
  record_.width = input_->picture.width;
  record_.height = input_->picture.height;
}

void DrawRun::read_prompts() {
  if (!options_.from_file) {
    const auto copies = options_.combinations ? 1 : static_cast<std::size_t>(options_.n_samples);
    prompts_.prompts.assign(copies, {0, options_.prompt});
  } else {
    prompts_ = *options_.listed;
  }
  std::vector<ListedPrompt> usable;
  for (const auto& prompt : prompts_.prompts) {
    auto sets = prompt_sets(prompt);
    if (sets.empty()) continue;
    if (!sets_.empty() && sets.front().source.has_value() != sets_.front().source.has_value()) {
      prompts_.bad_lines.push_back({prompt.line,
                                    "has no source beside it as the first has, or "
                                    "has one where the first has none"});
      continue;
    }
    for (auto& set : sets) {
      usable.push_back({prompt.line, set.targets.front()});
      sets_.push_back(std::move(set));
    }
    if (sets_.size() > kMaxPrompts) {
      throw UsageError(fmt::format("--combinations: more than {} prompts", kMaxPrompts));
    }
  }
  prompts_.prompts = std::move(usable);
  if (sets_.empty()) {
    const auto& bad = prompts_.bad_lines.front();
    throw UsageError(
        fmt::format("--from-file: no usable prompt: line {} {}", bad.line, bad.reason));
  }
  for (const auto& bad : prompts_.bad_lines)
    print_message(fmt::format("line {} {}", bad.line, bad.reason));
}

PromptSet DrawRun::prompt_set(const ListedPrompt& prompt) const {
  const auto& swap = options_.swap;
  if (options_.task != DrawTask::kSwap) return {{prompt.text}, std::nullopt};
  if (!options_.from_file) return {swap.targets, swap.source};
  const auto tab = prompt.text.find('\t');
  if (tab == std::string::npos) return {{prompt.text}, swap.source};
  return {{prompt.text.substr(tab + 1)}, prompt.text.substr(0, tab)};
}

/// With --combinations all that a line stands for; none, and a bad line, where that is too many.
std::vector<PromptSet> DrawRun::prompt_sets(const ListedPrompt& prompt) {
  const auto set = prompt_set(prompt);
  if (!options_.combinations) return {set};
  try {
    return combinations_of(set);
  } catch (const UsageError& error) {
    if (!options_.from_file) throw;
    prompts_.bad_lines.push_back({prompt.line, fmt::format("cannot be used: {}", error.what())});
    return {};
  }
}

AttnSubject DrawRun::attn_subject() const {
  AttnSubject subject;
  std::set<std::string> distinct;
  for (const auto& set : sets_) {
    for (const auto& target : set.targets) {
      if (distinct.insert(target).second) subject.prompts.push_back(target);
    }
  }
  subject.source = sets_.front().source;
  subject.negative_prompt = options_.negative_prompt;
  subject.guided = options_.scale != 1;
  subject.steps = options_.ddim_steps;
  return subject;
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
  record_.options.input = options_.input;
  record_.options.prediction = config.prediction;
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

void DrawRun::announce_cut_prompts() {
  if (options_.quiet) return;
  const auto announce_as = [](const std::string& what, const std::string& prompt,
                              const auto& reader) {
    const auto notice = truncation_notice(what, prompt, reader);
    if (!notice.empty()) print_message(notice);
  };
  const auto announce = [&](const std::string& what, const std::string& prompt) {
    announce_as(what, prompt, *tokenizer_);
  };
  const bool lists = options_.lists_prompts();
  const std::size_t distinct = lists ? prompts_.prompts.size() : 1;  // else one many times over
  std::set<std::string> sources;  // one --sprompt may stand beside every line
  for (std::size_t i = 0; i < distinct; ++i) {
    const auto label = lists ? prompt_label(prompts_.prompts[i]) : "the prompt";
    for (const auto& target : sets_[i].targets) announce(label, target);
    const auto& source = sets_[i].source;
    if (source && sources.insert(*source).second) announce("the source of " + label, *source);
  }
  announce_as("the negative prompt", options_.negative_prompt, *tokenizer_->without_composition());
}

void DrawRun::draw_all(RunNoise& noise) {
  const auto together = static_cast<std::size_t>(options_.n_samples);
  // Pictures with random numbers of their own are drawn one by one: arithmetic depends on the size
  // of a batch in the last bit.
  const std::size_t size = options_.seed_mode == SeedMode::kImage ? 1 : together;
  const std::size_t count = prompts_.prompts.size();
  const auto batches = options_.n_iter * static_cast<int64_t>((count + size - 1) / size);
  steps_left_ = (options_.only ? 1 : batches) * options_.ddim_steps;
  Batch batch;
  for (batch.iteration = 0; batch.iteration < options_.n_iter; ++batch.iteration) {
    for (batch.first = 0; batch.first < count; batch.first += batch.size) {
      batch.offset = batch.first % together;
      batch.size = std::min({size, count - batch.first, together - batch.offset});
      draw(batch, noise);
      ++batch.number;
      batch.first_sample += static_cast<int64_t>(batch.size);
    }
  }
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
  if (batch.first_sample > *options_.only || options_.seed_mode == SeedMode::kImage) return;
  auto request = request_for(batch, noise);
  request.noise_only = true;
  sd::draw(*model_, request, noise.of_batch(batch.first_sample));
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
    auto request = request_for(batch, noise);
    attach_controls(request, batch);
    result = sd::draw(*model_, request, noise.of_batch(batch.first_sample));
  } catch (const Error& error) {
    const bool hopeless =
        error.code() == ExitCode::kInterrupted || error.code() == ExitCode::kMemory;
    if (!options_.lists_prompts() || hopeless) throw;
    progress_.clear();
    const auto& first = prompts_.prompts[batch.first];
    const auto& last = prompts_.prompts[batch.first + batch.size - 1];
    const auto lines = first.line == last.line
                           ? prompt_label(first)
                           : fmt::format("lines {} to {}", first.line, last.line);
    print_message(fmt::format("{}: {}", lines, error.what()));
    failed_ += batch.size * targets();
    return;
  }
  timing_.sample += result.timing.sample;
  timing_.decode += result.timing.decode;
  timing_.unet_calls += result.timing.unet_calls;
  save(batch, std::move(result), now() - began);
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
  request.seed = static_cast<uint64_t>(options_.seed + batch.first_sample);
  request.start_latents = start_->batch(batch.first_sample, count, noise);
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
  // A value a sample is that of the samples drawn at a time, of which a batch may be one.
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
  shown.first_picture = first_picture + 1;
  shown.last_picture = first_picture + count;
  shown.pictures = total_pictures_;
  if (progress.stage == Progress::Stage::kSample) {
    rate_.finished(progress.done, now());
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
