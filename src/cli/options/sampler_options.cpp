#include "cli/options/sampler_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "cli/options/draw_limits.h"
#include "cli/shell/option_groups.h"
#include "cli/shell/shell_words.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// Other programs call samplers schedulers, or say both in one.
[[noreturn]] void reject_sampler(const std::string& text) {
  if (const auto scheduler = find_scheduler(text)) {
    throw UsageError(fmt::format("--sampler: '{}' is a schedule, not a sampler\nUse --scheduler {}",
                                 text, name_of(*scheduler)));
  }
  reject_word("--sampler", text, sampler_names());
}

/// "DPM++ 2M Karras" names a schedule too.
void read_sampler(const std::string& text, DrawOptions& options) {
  const auto named = find_sampler(text);
  if (!named) reject_sampler(text);
  options.sampler = named->kind;
  if (!named->scheduler) return;
  if (options.scheduler && *options.scheduler != *named->scheduler) {
    throw UsageError(fmt::format(
        "--sampler: '{}' names the schedule {}; it and --scheduler {} contradict each other\nGive "
        "--sampler {} --scheduler {}, or leave --scheduler out.",
        text, name_of(*named->scheduler), name_of(*options.scheduler), info_of(named->kind).name,
        name_of(*options.scheduler)));
  }
  options.scheduler = named->scheduler;
}

void read_scheduler(const std::string& text, DrawOptions& options) {
  const auto scheduler = find_scheduler(text);
  if (!scheduler && find_sampler(text)) {
    throw UsageError(
        fmt::format("--scheduler: '{}' is a sampler; a schedule says how noise levels are "
                    "spaced\nUse --sampler "
                    "{}",
                    text, shell_line({text})));
  }
  if (!scheduler) reject_word("--scheduler", text, scheduler_names());
  options.scheduler = scheduler;
}

}  // namespace

void add_sampler_options(CLI::App& app, DrawOptions& options) {
  const auto read_steps = [&options](const std::string& text) {
    options.ddim_steps = parse_whole("--ddim_steps", text, kStepsRange);
  };
  add_parsed(app, "ddim_steps,steps", read_steps, "N", "Sampling steps, 1 to 1000")
      ->default_str(std::to_string(options.ddim_steps));
  app.add_flag("--plms", options.plms, "Sample with PLMS instead of DDIM");
  // Read before --sampler, which may name a schedule too, whatever the order on the command line.
  add_parsed(
      app, "scheduler", [&options](const std::string& text) { read_scheduler(text, options); },
      words_type(scheduler_names()), "How noise levels are spaced (the sampler's)");
  add_parsed(
      app, "sampler,sampler_name",
      [&options](const std::string& text) { read_sampler(text, options); },
      words_type(sampler_names()),
      "ddim, plms, euler_a, \"DPM++ 2M Karras\", ...: 'sd\nsamplers' lists them")
      ->default_str("ddim");
  add_number(app, "ddim_eta", options.ddim_eta, kEtaRange,
             "Noise added while sampling, 0 to 1 (DDIM only)");
}

void check_sampler(const DrawOptions& options) {
  if (options.plms && options.chosen_sampler() != SamplerKind::kPlms) {
    throw UsageError(fmt::format("--plms and --sampler {} contradict each other",
                                 info_of(options.chosen_sampler()).name));
  }
  const auto& info = info_of(options.chosen_sampler());
  if (options.ddim_eta != 0 && info.kind == SamplerKind::kPlms) {
    throw UsageError("ddim_eta must be 0 for PLMS\nLeave out --ddim_eta or --plms.");
  }
  if (options.ddim_eta != 0 && info.kind != SamplerKind::kDdim) {
    throw UsageError(fmt::format(
        "--ddim_eta belongs to DDIM; {} {}", info.name,
        info.noise == StepNoiseKind::kNone ? "adds no noise" : "adds noise by its own rule"));
  }
  if (options.scheduler && info.scheduler == SchedulerKind::kUniform) {
    throw UsageError(fmt::format(
        "--scheduler {}: {} has timesteps of its own\nLeave it out, or take another --sampler.",
        name_of(*options.scheduler), info.name));
  }
}

}  // namespace sd::cli
