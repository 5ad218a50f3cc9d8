#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "cli/commands/commands.h"
#include "cli/engine/engine.h"
#include "cli/parser/draw_parser.h"
#include "cli/parser/option_groups.h"
#include "cli/plan/draw_plan.h"
#include "cli/plan/lanes.h"
#include "cli/tasks/draw_command.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kBenchDescription =
    R"(Measures how fast a picture is drawn on this machine, part by part, beside the CPU's own limit.

Examples:
  sd bench --ckpt v1-5-pruned-emaonly.safetensors --dtype bf16
  sd bench --ckpt v1-5-pruned-emaonly.safetensors --size 512 --steps 20 --json
  printf 'unet\nunet\nvae\n' | sd bench --wait)";

constexpr const char* kBenchFooter =
    R"(After a step and a decoding to warm up, one batch is drawn and measured: text encoder, each step of
the UNet, autoencoder, file (which is not kept). FLOPs are those of matrix products and direct
convolutions. The limit is what multiply-adds on registers come to on all threads, measured in the
same run; AMX, where a CPU has it, is not in it. Options that are not listed here are those of the
program's defaults. BENCHMARKS.md compares with other programs.)";

constexpr int64_t kUsualSteps = 5;
constexpr Range<int64_t> kRoundsRange{1, 1000};

/// The options of `sd txt2img` that decide how long a picture takes, beside those of the groups
/// Model and Machine.
constexpr std::array<std::string_view, 14> kOptions = {
    "prompt",  "negative-prompt", "W",     "H",         "size", "ddim_steps", "plms",
    "sampler", "scheduler",       "scale", "n_samples", "json", "quiet",      "verbose"};

int run(const DrawOptions& options, const BenchSettings& settings) {
  require_one_device(options, "sd bench");
  if (settings.waits && settings.profile) {
    throw UsageError("--wait measures single evaluations, --profile a whole run: give one of them");
  }
  std::error_code ignored;
  if (settings.profile && std::filesystem::exists(*settings.profile, ignored)) {
    throw IoError(fmt::format("--profile: {} is there already and is not overwritten",
                              settings.profile->string()));
  }
  auto context = plan_context(options.quiet);
  const auto plan = make_plan(options, context);
  return engine().bench(plan, settings);
}

}  // namespace

Command add_bench(CLI::App& app) {
  auto* parser = app.add_subcommand("bench", kBenchDescription)->group("Commands");
  parser->footer(kBenchFooter);
  set_parsing_rules(*parser);
  auto options = std::make_shared<DrawOptions>();
  options->n_samples = 1;
  options->n_iter = 1;
  options->steps = kUsualSteps;
  auto settings = std::make_shared<BenchSettings>();
  parser->option_defaults()->group("What to measure");
  add_whole(*parser, "rounds", settings->rounds, kRoundsRange, "Batches to draw and measure");
  parser->add_flag("--wait", settings->waits,
                   "Measure on demand instead: a step, a decoding or the\nlimit for each line "
                   "'unet', 'vae' or 'limit' of standard\ninput, each answered by a line of JSON");
  add_path(*parser, "profile", settings->profile, "FILE.json",
           "Write when each layer ran in the first batch, as a\nChrome trace");
  for (const auto& row : option_rows()) {
    const bool listed = std::any_of(kOptions.begin(), kOptions.end(),
                                    [&](std::string_view name) { return is_named(row, name); });
    const bool wanted = listed || row.group == "Model" || row.group == "Machine";
    if (wanted && (row.commands & kTxt2ImgCommand) != 0)
      add_draw_option(*parser, *options, first_name(row), kTxt2ImgCommand);
  }
  return {parser, [options, settings] { return run(*options, *settings); }};
}

}  // namespace sd::cli
