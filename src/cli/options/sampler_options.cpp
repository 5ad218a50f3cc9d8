#include "cli/options/sampler_options.h"

#include <fmt/format.h>

#include <string>

#include "cli/options/option_values.h"
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

}  // namespace

void read_sampler(DrawOptions& options, const std::string&, const std::string& text) {
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

void read_scheduler(DrawOptions& options, const std::string&, const std::string& text) {
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

void check_sampler(const DrawOptions& options) {
  if (options.plms && options.chosen_sampler() != SamplerKind::kPlms) {
    throw UsageError(fmt::format("--plms and --sampler {} contradict each other",
                                 info_of(options.chosen_sampler()).name));
  }
  const auto& info = info_of(options.chosen_sampler());
  if (options.eta != 0 && info.kind == SamplerKind::kPlms) {
    throw UsageError("ddim_eta must be 0 for PLMS\nLeave out --ddim_eta or --plms.");
  }
  if (options.eta != 0 && info.kind != SamplerKind::kDdim) {
    throw UsageError(fmt::format(
        "--ddim_eta belongs to DDIM; {} {}", info.name,
        info.noise == StepNoiseKind::kNone ? "adds no noise" : "adds noise by its own rule"));
  }
  if (options.timesteps && info.scheduler == SchedulerKind::kLcm) {
    throw UsageError(
        fmt::format("--timesteps {}: {} has timesteps of its own, those of its distillation\nLeave "
                    "it out, or take another --sampler.",
                    name_of(*options.timesteps), info.name));
  }
  if (options.timesteps && options.scheduler) {
    throw UsageError(fmt::format(
        "--timesteps {} and --scheduler {} contradict each other\nLeave one of the two out.",
        name_of(*options.timesteps), name_of(*options.scheduler)));
  }
  if (options.scheduler && info.scheduler == SchedulerKind::kUniform) {
    throw UsageError(fmt::format(
        "--scheduler {}: {} has timesteps of its own\nLeave it out, or take another --sampler.",
        name_of(*options.scheduler), info.name));
  }
}

}  // namespace sd::cli
