#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "cli/commands/commands.h"
#include "cli/engine/engine.h"
#include "cli/options/draw_limits.h"
#include "cli/parser/draw_parser.h"
#include "cli/parser/given_command.h"
#include "cli/parser/option_groups.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/inversion_plan.h"
#include "cli/plan/lanes.h"
#include "cli/tasks/draw_command.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kInvertDescription =
    R"(Finds how a model draws a picture again, for edits of it.

Examples:
  sd invert photo.png --prompt "a cat on a sofa" -o photo.inv.safetensors
  sd invert photo.png --prompt "a cat on a sofa" --reconstruct again.png
  sd invert photo.png --prompt "a cat" --method edit-friendly --steps 100
  sd swap --mode p2p --inversion photo.inv.safetensors --prompt "a dog on a sofa")";

constexpr const char* kInvertFooter =
    R"(Many edits may use one file: it keeps the path from the picture to noise, the prompt and what
else the method found, with hashes of the picture and of the model. Methods: direct, ddim and npi
share their path; null-text optimises what stands for the empty prompt; edit-friendly keeps the
noise of each step. ddcm needs no inversion: sd swap --init-img FILE --invert ddcm. Options that
are not listed here are those of the program's defaults.)";

/// The options of drawing that decide about an inversion, beside those of the groups Model and
/// Machine.
constexpr std::array<std::string_view, 28> kOptions = {"prompt",
                                                       "negative-prompt",
                                                       "prompt-syntax",
                                                       "clip-skip",
                                                       "embedding",
                                                       "embeddings",
                                                       "lora",
                                                       "control",
                                                       "control-mode",
                                                       "control-resize",
                                                       "control-preprocess",
                                                       "ip-adapter",
                                                       "ip-vision",
                                                       "ip-weights",
                                                       "W",
                                                       "H",
                                                       "size",
                                                       "ddim_steps",
                                                       "sampler",
                                                       "scheduler",
                                                       "timesteps",
                                                       "scale",
                                                       "seed",
                                                       "rng",
                                                       "json",
                                                       "quiet",
                                                       "verbose",
                                                       "zero-terminal-snr"};

struct InvertOptions {
  DrawOptions draw;
  InvertSettings settings;
  std::optional<std::filesystem::path> picture, out;
};

void check_out(std::string_view option, const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    throw IoError(
        fmt::format("{}: {} is there already and is not overwritten", option, path.string()));
  }
  const auto folder = path.parent_path();
  if (folder.empty() || std::filesystem::is_directory(folder, ignored)) return;
  throw IoError(fmt::format("{}: the folder {} does not exist", option, folder.string()));
}

/// Said before a model is loaded.
void check(const InvertOptions& options) {
  if (!options.picture)
    throw UsageError("invert: name the picture\nExample: sd invert photo.png --prompt \"a cat\"");
  if (!options.draw.given.has("prompt")) {
    throw UsageError(
        "invert: say what the picture shows: --prompt TEXT\nEdits name what changes of it.");
  }
  const auto method = *options.draw.inversion.method;
  const auto sampler = options.draw.chosen_sampler();
  if (const auto why = why_not_sampled(method, sampler); !why.empty())
    throw UsageError(fmt::format("--sampler {}: {}", info_of(sampler).name, why));
  const bool guided =
      method == InversionMethod::kEditFriendly || method == InversionMethod::kNullText;
  const auto& guidance = options.settings.guidance;
  if (!guided && guidance && *guidance != 1) {
    throw UsageError(fmt::format(
        "--source-scale {}: inversion by {} is defined for guidance 1\nGuide the edits with "
        "--scale "
        "where they are drawn; edit-friendly and null-text inversion have a guidance of their own.",
        number_text(*guidance), name_of(method)));
  }
  const bool added =
      !options.draw.nets.inputs.empty() || !options.draw.image_prompts.adapters.empty();
  if (added && method == InversionMethod::kNullText) {
    throw UsageError(fmt::format(
        "--{}: the gradients of --method null-text do not go through it\nInvert without it, and "
        "give it where edits are drawn: along a file made without, it acts in targets alone.",
        options.draw.nets.inputs.empty() ? "ip-adapter" : "control"));
  }
  if (options.settings.resume && method != InversionMethod::kNullText) {
    throw UsageError("--resume: belongs to --method null-text; others are done in no time");
  }
  if (!options.settings.resume) check_out("--output", options.settings.out);
  if (options.settings.reconstruct) check_out("--reconstruct", *options.settings.reconstruct);
}

int run(InvertOptions& options, const CLI::App& parser) {
  options.draw.given = given_command(parser);
  options.draw.input.init_img = options.picture;
  if (options.picture) {
    options.settings.out =
        options.out.value_or(fmt::format("{}.inv.safetensors", options.picture->stem().string()));
  }
  check(options);
  require_one_device(options.draw, "sd invert");
  auto context = plan_context(options.draw.quiet);
  auto& strength = options.draw.input.strength;
  strength = strength.value_or(usual_depth(*options.draw.inversion.method));
  const auto plan = make_plan(options.draw, context);
  if (!plan.networks.sets.empty()) {
    throw UsageError(
        "--lora: start=, stop= and step= have no place in an inversion, whose steps all go the "
        "same way\nLeave them out.");
  }
  return engine().invert(plan, options.settings);
}

void add_own_options(CLI::App& parser, InvertOptions& options) {
  parser.option_defaults()->group("Inversion");
  parser
      .add_option_function<std::string>(
          "FILE", [&options](const std::string& text) { options.picture = text; },
          "The picture (PNG, JPEG, WebP)")
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  Choices<std::optional<InversionMethod>> methods;
  for (const auto method : kInversionMethods) {
    if (method != InversionMethod::kDdcm) methods.emplace_back(name_of(method), method);
  }
  options.draw.inversion.method = InversionMethod::kDirect;
  add_choice(parser, "method", options.draw.inversion.method, methods,
             "How edits are to be drawn along it")
      ->default_str("direct");
  add_path(parser, "output,o", options.out, "FILE", "The file to write (PICTURE.inv.safetensors)");
  add_number(parser, "depth", options.draw.input.strength, kStrengthRange,
             "Invert the last DEPTH x STEPS steps (1; edit-friendly:\n0.64)");
  add_number(parser, "source-scale", options.settings.guidance, kScaleRange,
             "Scale of the picture's own guidance (1; edit-friendly:\n3.5, null-text: 7.5)");
  add_path(parser, "reconstruct", options.settings.reconstruct, "FILE",
           "Write what the inversion alone keeps of the picture, and\nsay how much that is");
  parser.add_flag("--resume", options.settings.resume,
                  "Go on with null-text optimisation that was interrupted:\nthe file has the first "
                  "steps");
}

}  // namespace

Command add_invert(CLI::App& app) {
  auto* parser = app.add_subcommand("invert", kInvertDescription)->group("Commands");
  parser->footer(kInvertFooter);
  set_parsing_rules(*parser);
  auto options = std::make_shared<InvertOptions>();
  options->draw.task = DrawTask::kImg2Img;
  options->draw.n_samples = 1;
  options->draw.n_iter = 1;
  add_own_options(*parser, *options);
  for (const auto& row : option_rows()) {
    const bool listed = std::any_of(kOptions.begin(), kOptions.end(),
                                    [&](std::string_view name) { return is_named(row, name); });
    const bool wanted = listed || row.group == "Model" || row.group == "Machine";
    if (wanted && (row.commands & kImg2ImgCommand) != 0)
      add_draw_option(*parser, options->draw, first_name(row), kImg2ImgCommand);
  }
  return {parser, [options, parser] { return run(*options, *parser); }};
}

}  // namespace sd::cli
