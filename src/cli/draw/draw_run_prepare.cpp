// What a run finds out before its model is loaded.
#include <fmt/format.h>

#include <set>
#include <utility>

#include "cli/draw/draw_run.h"
#include "cli/models/find_model.h"
#include "cli/plan/combinations.h"
#include "cli/plan/memory_need.h"
#include "cli/plan/model_fit.h"
#include "cli/plan/prompt_chunks.h"
#include "cli/record/confined_paths.h"
#include "cli/record/repeat_args.h"
#include "cli/shell/json_lines.h"
#include "sd/core/atomic_file.h"
#include "sd/pipeline/inspect.h"

namespace sd::cli {
namespace {

constexpr int64_t kMaxGridPixels = int64_t{400} * 1000 * 1000;

}  // namespace

/// Everything that can fail without the model, before seconds are spent on loading it.
void DrawRun::prepare() {
  find_weights();
  read_prompts();
  check_sources();
  tokenizer_ = reader_of(options_, sets_, plain_tokenizer_);
  if (cells_.empty()) {
    check_controls(options_, sets_, *tokenizer_);
  } else {
    check_cells();
  }
  check_attn(options_.attn, attn_subject(), *reader_of_maps(options_, tokenizer_));
  const auto samples = static_cast<int64_t>(prompts_.prompts.size()) * options_.n_iter;
  if (cells_.empty()) record_.samples = samples;
  total_pictures_ = samples * static_cast<int64_t>(targets());
  settle_only();
  if (cells_.empty()) start_ = start_latents_of(options_, latent_shape());
  if (options_.swap.blend_mask) {
    blend_mask_ = read_latent_mask(*options_.swap.blend_mask, {record_.width, record_.height},
                                   options_.f, [this](const std::string& text) { say(text); });
  }
  check_confined();
  // Behind what refuses files that are wrong: a large one takes a while.
  record_.file_hashes = hash_input_files(options_.given);
  // Last: what is wrong above leaves nothing behind.
  if (!options_.skip_save || !options_.skip_grid) {
    folder_.emplace(options_.outdir, options_.picture.format,
                    NameTemplate::parse(options_.picture.name), options_.batch.confined);
  }
  if (options_.save_latents) make_writable_folder(*options_.save_latents);
  if (!options_.skip_grid && grid_pixels() > kMaxGridPixels) {
    say(fmt::format("no grid is drawn: {} pictures of {}x{} are too many for one picture",
                    total_pictures_, record_.width, record_.height));
    options_.skip_grid = true;
  }
}

/// With --confined nothing is written over a link below --outdir: settled folders of the task's
/// that lie there, be it by default.
void DrawRun::check_confined() const {
  if (!options_.batch.confined) return;
  std::error_code error;
  const auto outdir = std::filesystem::absolute(options_.outdir, error).lexically_normal();
  for (const auto& [folder, what] : {std::pair{options_.attn.dir, "--attn"},
                                     {options_.attn.save_attn_dir, "--save_attn_dir"},
                                     {options_.save_latents, "--save-latents"}}) {
    if (!folder) continue;
    const auto way =
        std::filesystem::absolute(*folder, error).lexically_normal().lexically_relative(outdir);
    const bool below = !way.empty() && *way.begin() != "..";
    if (below) require_confined(options_.outdir, *folder, what);  // else the command names it
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
  remember_need(memory_need(options_, config, found.checkpoint));

  record_.options = options_;
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
  if (!cells_.empty()) return read_cells();
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
  for (const auto& bad : prompts_.bad_lines) {
    report_error(fmt::format("line {} {}", bad.line, bad.reason),
                 static_cast<int>(ExitCode::kUsage), options_.json, {{"lines", {bad.line}}});
  }
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

}  // namespace sd::cli
