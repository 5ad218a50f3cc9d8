#include "trainer/eval_command.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "cli/options/choices.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/text_output.h"
#include "sd/core/atomic_file.h"
#include "sd/core/compute.h"
#include "sd/core/error.h"
#include "sd/image/png.h"
#include "sd/pipeline/inspect.h"
#include "sd/pipeline/load.h"
#include "trainer/classifier_stage.h"
#include "trainer/eval.h"
#include "trainer/eval_edit.h"
#include "trainer/eval_guides.h"
#include "trainer/eval_report.h"
#include "trainer/train_log.h"

namespace sd::cli {
namespace {

constexpr int64_t kMeasuredScenes = 1000;
constexpr uint64_t kUnseenSeed = 77;
constexpr const char* kDefaultClassifier = "tests/data/eval/classifier.safetensors";
constexpr const char* kDemoModel = "models/demo";

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
  auto trained = train::train_classifier(run, scenes,
                                         {options.pictures, static_cast<uint64_t>(options.seed),
                                          options.init.value_or(std::filesystem::path())});
  train::save_classifier(trained, *options.out);
  auto classifier = train::load_classifier(*options.out);  // as others will read it
  const auto accuracy = train::measure_classifier(classifier, scenes, kMeasuredScenes, kUnseenSeed);
  StandardOutput().line(train::summary_of(accuracy));
  return 0;
}

std::vector<int> kinds_of(const std::string& names) {
  std::vector<int> kinds;
  for (std::size_t begin = 0; begin < names.size();) {
    const auto end = std::min(names.find(',', begin), names.size());
    kinds.push_back(train::find_kind(std::string_view(names).substr(begin, end - begin)));
    begin = end + 1;
  }
  if (kinds.size() == 1) throw UsageError("--kinds: at least two are needed, for swaps and pairs");
  return kinds;
}

/// Measures guides by gradients alone.
int evaluate_guides(const EvalOptions& options, const train::EvalContext& context) {
  make_writable_folder(*options.out);
  const auto report =
      train::measure_guides(context, {options.pairs, options.boxes, options.skip}, options.guides);
  const auto write = [&](const char* name, std::span<const std::byte> bytes) {
    write_file(*options.out / name, bytes, /*overwrite=*/true);
  };
  constexpr std::size_t kSheet = 100;
  if (!report.excited.empty()) {
    write("excited.png", encode_png(train::contact_sheet(report.excited, kSheet)));
  }
  if (!report.boxed.empty()) {
    write("boxed.png", encode_png(train::contact_sheet(report.boxed, kSheet)));
  }
  const auto json = train::json_of(report);
  write("guides.json", std::as_bytes(std::span(json)));
  StandardOutput().line(train::markdown_of(report));
  return 0;
}

/// Measures edits of pictures alone.
int evaluate_edits(const EvalOptions& options, const train::EvalContext& context,
                   const std::string& model) {
  const auto methods =
      options.methods.empty() ? train::edit_methods() : train::edit_methods(options.methods);
  const auto report = train::measure_edits(context, model, options.scenes, methods, *options.out);
  StandardOutput().line(train::markdown_of(report));
  return 0;
}

int evaluate(const std::string& name, const EvalOptions& options) {
  if (!options.out) throw UsageError("--out DIR is needed: where the report is written");
  const auto kinds = kinds_of(options.kinds);
  const auto scenes = generator(options);
  auto classifier = train::load_classifier(options.classifier.value_or(kDefaultClassifier));
  LoadRequest request;
  request.checkpoint = options.model.value_or(kDemoModel);
  request.config = sidecar_config(request.checkpoint);
  request.dtype = options.dtype;
  request.threads = static_cast<int>(options.threads);
  const auto model = load_model(request);
  if (model.config.default_pixels() != train::kSceneSide) {
    throw UsageError(fmt::format("{}: draws {} pixels a side; the demo's scenes have {}",
                                 request.checkpoint.string(), model.config.default_pixels(),
                                 train::kSceneSide));
  }
  const train::EvalContext context{model,
                                   classifier,
                                   scenes,
                                   [](const std::string& text) { std::cerr << text << '\n'; },
                                   [] { return InterruptGuard::requested(); },
                                   kinds};
  if (name == "eval-guides") return evaluate_guides(options, context);
  if (name == "eval-edit") {
    return evaluate_edits(options, context, request.checkpoint.string());
  }
  train::EvalSizes sizes;
  sizes.prompts = options.n;
  sizes.scenes = options.scenes;
  sizes.pairs = options.pairs;
  std::vector<std::unique_ptr<train::SwapDrawer>> drawers;
  drawers.push_back(train::make_uncontrolled_swap());
  drawers.push_back(train::make_controlled_swap());
  const auto report =
      train::evaluate(context, request.checkpoint.string(), sizes, drawers, *options.out);
  StandardOutput().line(train::markdown_of(report));
  return 0;
}

void add_guides(CLI::App& app, EvalOptions& options) {
  auto* guides = app.add_subcommand("eval-guides", "Measure --excite and --box on a model");
  set_parsing_rules(*guides);
  const Range<int64_t> some{0, 1'000'000};
  add_path(*guides, "model", options.model, "PATH", "file or folder (models/demo)");
  add_path(*guides, "out", options.out, "DIR", "guides.json and contact sheets");
  add_path(*guides, "classifier", options.classifier, "FILE", kDefaultClassifier);
  add_path(*guides, "font", options.font, "FILE", "a colour emoji font with bitmaps");
  add_choice(*guides, "dtype", options.dtype, dtype_choices(), "what the model computes in");
  add_whole(*guides, "pairs", options.pairs, some, "prompts of two objects");
  add_whole(*guides, "boxes", options.boxes, some, "prompts of one object with a box");
  add_whole(*guides, "skip", options.skip, some,
            "leave out the first so many prompts of each kind");
  guides->add_option("--excite-scale", options.guides.excite_scale, "as of sd txt2img");
  guides->add_option("--box-scale", options.guides.box_scale, "as of sd txt2img");
  guides->add_flag_callback(
      "--backward", [&options] { options.guides.box_method = BoxMethod::kBackward; },
      "--box-method backward");
  guides->add_option("--box-part", options.guides.box_part, "as of sd txt2img");
  guides->add_option("--guide-res", options.guides.guide_res, "as of sd txt2img");
  add_whole(*guides, "threads", options.threads, {0, 1024}, "0: one a physical core");
}

void add_edits(CLI::App& app, EvalOptions& options) {
  auto* edits = app.add_subcommand("eval-edit", "Measure edits of pictures that no training saw");
  set_parsing_rules(*edits);
  add_path(*edits, "model", options.model, "PATH", "file or folder (models/demo)");
  add_path(*edits, "out", options.out, "DIR", "edits.md, edits.json and a sheet for each method");
  add_path(*edits, "classifier", options.classifier, "FILE", kDefaultClassifier);
  add_path(*edits, "font", options.font, "FILE", "a colour emoji font with bitmaps");
  add_choice(*edits, "dtype", options.dtype, dtype_choices(), "what the model computes in");
  add_whole(*edits, "scenes", options.scenes, {1, 1'000'000}, "pictures that are edited");
  add_text(*edits, "methods", options.methods,
           "'direct + blend,ddim + swap'; all, of which null-text takes hours, where none is "
           "named");
  add_whole(*edits, "threads", options.threads, {0, 1024}, "0: one a physical core");
}

}  // namespace

void add_eval_commands(CLI::App& app, EvalOptions& options) {
  const Range<int64_t> many{1, 1'000'000'000};
  auto* classifier = app.add_subcommand("classifier", "Train what names the objects in pictures");
  set_parsing_rules(*classifier);
  add_path(*classifier, "out", options.out, "FILE", "the classifier, .safetensors");
  add_path(*classifier, "font", options.font, "FILE", "a colour emoji font with bitmaps");
  add_whole(*classifier, "pictures", options.pictures, many, "how many scenes it sees");
  add_path(*classifier, "init", options.init, "FILE", "go on from this classifier");
  add_whole(*classifier, "seed", options.seed, {0, 1'000'000'000}, "which scenes it sees");
  add_whole(*classifier, "threads", options.threads, {0, 1024}, "0: one a physical core");

  auto* eval = app.add_subcommand("eval", "Measure how well a model draws what it is asked for");
  set_parsing_rules(*eval);
  add_path(*eval, "model", options.model, "PATH", "file or folder (models/demo)");
  add_path(*eval, "out", options.out, "DIR", "report.md, report.json and contact sheets");
  add_path(*eval, "classifier", options.classifier, "FILE", kDefaultClassifier);
  add_path(*eval, "font", options.font, "FILE", "a colour emoji font with bitmaps");
  add_choice(*eval, "dtype", options.dtype, dtype_choices(), "what the model computes in");
  add_whole(*eval, "n", options.n, many, "prompts that are drawn");
  add_whole(*eval, "scenes", options.scenes, many, "scenes that attention is measured on");
  add_whole(*eval, "pairs", options.pairs, many, "pairs of prompts for swaps");
  add_text(*eval, "kinds", options.kinds, "ask for these objects only: cat,dog,…");
  add_whole(*eval, "threads", options.threads, {0, 1024}, "0: one a physical core");
  add_guides(app, options);
  add_edits(app, options);
}

int run_eval_command(const std::string& name, const EvalOptions& options) {
  at::set_num_threads(options.threads > 0 ? static_cast<int>(options.threads) : physical_cores());
  const InterruptGuard guard;
  if (name == "classifier") return train_classifier(options);
  return evaluate(name, options);
}

}  // namespace sd::cli
