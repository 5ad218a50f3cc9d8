#include "cli/train_eval.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "cli/interrupt.h"
#include "cli/option_groups.h"
#include "cli/text_output.h"
#include "sd/core/compute.h"
#include "sd/core/error.h"
#include "train/classifier_stage.h"
#include "train/train_log.h"

namespace sd::cli {
namespace {

constexpr int64_t kMeasuredScenes = 1000;
constexpr uint64_t kUnseenSeed = 77;

train::SceneGenerator generator(const EvalOptions& options) {
  train::SceneOptions scenes;
  if (options.font) scenes.font = *options.font;
  return train::SceneGenerator(scenes);
}

int train_classifier(const EvalOptions& options) {
  if (!options.out) throw UsageError("--out FILE is needed: where the classifier is written");
  const auto scenes = generator(options);
  train::RunContext run;
  run.stop_requested = [] { return InterruptGuard::requested(); };
  run.report = [](const train::TrainPoint& point) {
    std::cerr << train::progress_of(point) << '\n' << std::flush;
  };
  auto trained = train::train_classifier(run, scenes, options.pictures);
  train::save_classifier(trained, *options.out);
  auto classifier = train::load_classifier(*options.out);  // as others will read it
  const auto accuracy = train::measure_classifier(classifier, scenes, kMeasuredScenes, kUnseenSeed);
  StandardOutput().line(train::summary_of(accuracy));
  return 0;
}

}  // namespace

void add_eval_commands(CLI::App& app, EvalOptions& options) {
  const Range<int64_t> many{1, 1'000'000'000};
  auto* classifier = app.add_subcommand("classifier", "Train what names the objects in pictures");
  set_parsing_rules(*classifier);
  add_path(*classifier, "out", options.out, "FILE", "the classifier, .safetensors");
  add_path(*classifier, "font", options.font, "FILE", "a colour emoji font with bitmaps");
  add_whole(*classifier, "pictures", options.pictures, many, "how many scenes it sees");
  add_whole(*classifier, "threads", options.threads, {0, 1024}, "0: one a physical core");
}

int run_eval_command(const std::string& name, const EvalOptions& options) {
  at::set_num_threads(options.threads > 0 ? static_cast<int>(options.threads) : physical_cores());
  const InterruptGuard guard;
  if (name == "classifier") return train_classifier(options);
  return 0;
}

}  // namespace sd::cli
