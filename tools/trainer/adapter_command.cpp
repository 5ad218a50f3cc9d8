#include "trainer/adapter_command.h"

#include <fmt/format.h>

#include "cli/options/choices.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/text_output.h"
#include "pipeline/device.h"
#include "pipeline/guard.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/word_embedding.h"
#include "trainer/adapter_measure.h"
#include "trainer/embedding_stage.h"
#include "trainer/lora_stage.h"
#include "trainer/run_words.h"

namespace sd::cli {
namespace {

using train::AdapterSettings;

constexpr const char* kClassifier = "tests/data/eval/classifier.safetensors";
constexpr const char* kExtension = ".safetensors";

const Range<int64_t> kMany{1, 1'000'000'000};

void add_files(CLI::App& command, AdapterOptions& options) {
  add_path(command, "model", options.model, "PATH", "file or folder that sd draws with");
  add_path(command, "config", options.config, "FILE", "YAML of a model whose weights do not tell");
  add_path(command, "data", options.data, "DIR",
           "pictures with NAME.txt each, or a metadata.jsonl");
  add_path(command, "out", options.out, "FILE", "what is written, .safetensors");
  add_path(command, "work", options.work, "DIR", "state, latents and log (OUT.training)");
  add_text(command, "caption", options.caption, "of pictures that have none");
}

void add_run(CLI::App& command, AdapterOptions& options, AdapterSettings& settings) {
  add_whole(command, "steps", settings.steps, kMany, "how many updates");
  add_whole(command, "batch", settings.batch, {1, 4096}, "pictures a step");
  add_whole(command, "resolution", options.resolution, {8, 8192},
            "side of the pictures (the model's)");
  add_number(command, "learning-rate", options.learning_rate, {1e-12, 1}, "of AdamW");
  const Choices<train::RateSchedule> schedules = {{"constant", train::RateSchedule::kConstant},
                                                  {"linear", train::RateSchedule::kLinear},
                                                  {"cosine", train::RateSchedule::kCosine}};
  add_choice(command, "schedule", settings.schedule, schedules, "of the learning rate");
  add_whole(command, "warmup", settings.warmup, {0, 1'000'000'000}, "steps of rising rate");
  add_number(command, "caption-dropout", settings.caption_dropout, {0, 1},
             "share of empty captions");
  add_number(command, "noise-offset", settings.noise_offset, {0, 1}, "for dark and light pictures");
  add_number(command, "min-snr", settings.min_snr, {0, 1000}, "gamma, 5 as published (0: off)");
  command.add_flag("--debiased,--debiased-estimation,--debiased_estimation", settings.debiased,
                   "noisy timesteps count most, by 1 / sqrt(SNR)");
  add_path(command, "prior", options.prior, "DIR", "pictures of what the model is to keep");
  add_number(command, "prior-weight", settings.prior_weight, {0, 100}, "of their loss");
  add_whole(command, "seed", settings.seed, {0, 1'000'000'000}, "of all that is drawn at random");
  add_whole(command, "save-every", settings.save_every, {0, 1'000'000'000},
            "steps between files OUT-STEP (0: none)");
  add_whole(command, "state-every", options.state_every, {0, 1'000'000}, "seconds between states");
  add_choice(command, "dtype", settings.dtype, dtype_choices(), "what the model computes in");
  add_device(command, options.device, "where it is trained");
  add_whole(command, "threads", options.threads, {0, 1024}, "0: one a physical core");
}

void add_lora(CLI::App& app, AdapterOptions& options) {
  auto& command = *app.add_subcommand("lora", "Train a LoRA on pictures with captions");
  set_parsing_rules(command);
  auto& settings = options.lora;
  add_files(command, options);
  add_whole(command, "rank", settings.rank, {1, 4096}, "columns of each layer's factors");
  add_number(command, "alpha", options.alpha, {1e-6, 65504}, "they count alpha / rank (rank)");
  const Choices<train::LoraTargets> targets = {{"attention", train::LoraTargets::kAttention},
                                               {"all", train::LoraTargets::kAll}};
  add_choice(command, "targets", settings.targets, targets,
             "attention's layers, or all of the transformers");
  command.add_flag("--text-encoder,--text_encoder", settings.text_encoder,
                   "train the text encoder's layers too");
  command.add_flag("--conv", settings.convolutions, "train the residual blocks' layers too");
  add_run(command, options, settings);
}

void add_embedding(CLI::App& app, AdapterOptions& options) {
  auto& command = *app.add_subcommand("embedding", "Train a word by textual inversion");
  set_parsing_rules(command);
  auto& settings = options.embedding;
  add_files(command, options);
  add_text(command, "word", settings.word, "that captions have and prompts are to have");
  add_text(command, "init", settings.begin, "words whose vectors it begins with");
  add_whole(command, "vectors", settings.vectors, {1, kMostEmbeddingVectors}, "it stands for");
  add_run(command, options, settings);
}

void add_measure(CLI::App& app, AdapterOptions& options) {
  auto& command =
      *app.add_subcommand("measure", "Measure what a LoRA or a word does to the demo model");
  set_parsing_rules(command);
  add_path(command, "model", options.model, "PATH", "file or folder (models/demo)");
  add_path(command, "lora", options.lora_file, "FILE", "drawn with at -1, 0, 0.5 and 1");
  add_path(command, "embedding", options.embedding_file, "FILE", "of a background's word");
  add_parsed(
      command, "background",
      [&](const std::string& text) { options.background = train::parse_background(text); },
      "WORD=R,G,B", "the word, and the colour that it is to mean");
  add_whole(command, "n", options.prompts, {1, 10'000}, "prompts with one object");
  add_path(command, "classifier", options.classifier, "FILE", kClassifier);
  add_path(command, "font", options.font, "FILE", "a colour emoji font with bitmaps");
  add_whole(command, "threads", options.threads, {0, 1024}, "0: one a physical core");
}

int measure(const AdapterOptions& options) {
  if (options.lora_file.has_value() == options.embedding_file.has_value())
    throw UsageError("expected --lora FILE or --embedding FILE: what is to be measured");
  if (options.embedding_file && !options.background)
    throw UsageError("--background WORD=R,G,B is needed: what the embedding's word is to mean");
  set_threads(static_cast<int>(options.threads));
  train::AdapterMeasurement measurement;
  measurement.model = options.model.value_or("models/demo");
  measurement.lora = options.lora_file.value_or(std::filesystem::path());
  measurement.embedding = options.embedding_file.value_or(std::filesystem::path());
  if (options.background) measurement.background = *options.background;
  measurement.prompts = options.prompts;
  measurement.stop_requested = [] { return InterruptGuard::requested(); };
  train::SceneOptions scenes;
  if (options.font) scenes.font = *options.font;
  const train::SceneGenerator generator(scenes);
  auto classifier = train::load_classifier(options.classifier.value_or(kClassifier));
  const InterruptGuard guard;
  const auto rows = train::measure_adapter(measurement, generator, classifier);
  StandardOutput().line(train::table_of(rows, options.lora_file.has_value()));
  return 0;
}

const std::filesystem::path& required(const std::optional<std::filesystem::path>& path,
                                      const char* name, const char* what) {
  if (path && !path->empty()) return *path;
  throw UsageError(fmt::format("{} is needed: {}", name, what));
}

void settle(const AdapterOptions& options, AdapterSettings& settings) {
  settings.model = {
      required(options.model, "--model PATH", "what it is trained for"), options.config, {}, {}};
  settings.data = required(options.data, "--data DIR", "the pictures to learn from");
  settings.out = required(options.out, "--out FILE", "what is written");
  if (settings.out.extension() != kExtension) {
    throw UsageError(fmt::format("--out {}: expected a name that ends in {}", settings.out.string(),
                                 kExtension));
  }
  settings.work =
      options.work.value_or(std::filesystem::path(settings.out).replace_extension(".training"));
  if (settings.debiased && settings.min_snr > 0) {
    throw UsageError("--debiased and --min-snr both say how much each timestep counts\nGive one.");
  }
  if (options.prior) settings.prior = *options.prior;
  if (!options.caption.empty()) settings.caption = options.caption;
  settings.resolution = options.resolution.value_or(0);
  if (options.learning_rate) settings.learning_rate = *options.learning_rate;
}

/// Runs `train` on settled settings.
template <typename Settings, typename Train>
int run_training(const AdapterOptions& options, const Settings& settings, Train train) {
  set_threads(static_cast<int>(options.threads));
  make_writable_folder(settings.work);
  if (settings.out.has_parent_path()) make_writable_folder(settings.out.parent_path());
  train::RunContext run;
  run.folder = settings.work;
  run.device = resolve_device(options.device);
  run.recipe.state_every_seconds = options.state_every;
  if (run.device.is_cuda()) set_cuda_arithmetic();
  RunWords words(settings.work);
  words.attach(run);
  const InterruptGuard guard;
  if (guard_torch("training", [&] { return train(run, settings); })) {
    StandardOutput().line(settings.out.string());
    return 0;
  }
  words.say("stopped; the same command goes on from here");
  return static_cast<int>(ExitCode::kInterrupted);
}

}  // namespace

void add_adapter_commands(CLI::App& app, AdapterOptions& options) {
  options.embedding.learning_rate = 5e-3;
  add_lora(app, options);
  add_embedding(app, options);
  add_measure(app, options);
}

int run_adapter_command(const std::string& name, const AdapterOptions& options) {
  if (name == "measure") return measure(options);
  if (name == "lora") {
    auto settings = options.lora;
    settle(options, settings);
    settings.alpha = options.alpha.value_or(static_cast<double>(settings.rank));
    return run_training(options, settings, train::train_lora);
  }
  auto settings = options.embedding;
  settle(options, settings);
  if (settings.word.empty()) throw UsageError("--word NAME is needed: the word to be learnt");
  if (settings.begin.empty())
    throw UsageError("--init WORDS is needed: words that come near to it, such as \"green\"");
  return run_training(options, settings, train::train_embedding);
}

}  // namespace sd::cli
