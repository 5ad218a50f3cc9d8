#include "cli/plan/draw_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <system_error>

#include "cli/models/find_model.h"
#include "cli/options/attn_words.h"
#include "cli/options/draw_limits.h"
#include "cli/options/sampler_options.h"
#include "cli/options/seed_options.h"
#include "cli/plan/combinations.h"
#include "cli/plan/control_words.h"
#include "cli/plan/draw_notices.h"
#include "cli/plan/edit_check.h"
#include "cli/plan/memory_need.h"
#include "cli/plan/prompt_chunks.h"
#include "cli/plan/prompt_list.h"
#include "cli/plan/prompt_notice.h"
#include "cli/record/output_folder.h"
#include "cli/shell/device_words.h"
#include "cli/shell/machine.h"
#include "cli/shell/text_output.h"
#include "core/posix_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/pipeline/inspect.h"
#include "sd/weights/variants.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLatentChannels = 4;  // of SD v1 and v2
constexpr int64_t kLatentFactor = 8;

/// Fills in what `--laion400m` stands for; what was named wins. Weights of another place tell
/// themselves what they are, so that only those that are looked for come with the configuration.
void settle_laion400m(DrawOptions& options) {
  if (!options.laion400m) return;
  if (!options.quiet) print_message("Falling back to LAION 400M model...");
  if (!options.ckpt) {
    const auto roots = model_roots();
    options.ckpt = find_in_roots("--laion400m", kLaionCheckpoint, roots);
    if (!options.config) options.config = find_in_roots("--laion400m", kLaionConfig, roots);
  }
  if (!options.outdir_given) options.outdir += "-laion400m";
}

void check_side(std::string_view option, std::string_view what,
                const std::optional<int64_t>& pixels) {
  if (!pixels || *pixels % kSideStep == 0) return;
  const int64_t nearest = std::max((*pixels + kSideStep / 2) / kSideStep * kSideStep, kSideStep);
  throw UsageError(fmt::format("--{} {}: {} must be a multiple of {} (nearest: {})", option,
                               *pixels, what, kSideStep, nearest));
}

void check_sampling(const DrawOptions& options) {
  check_sampler(options);
  if (options.C != kLatentChannels) {
    throw UsageError(fmt::format("--C {}: latents of Stable Diffusion have {} channels", options.C,
                                 kLatentChannels));
  }
  if (options.f != kLatentFactor) {
    throw UsageError(fmt::format("--f {}: a latent of Stable Diffusion stands for {} pixels a side",
                                 options.f, kLatentFactor));
  }
}

void check_prompt(std::string_view option, const std::string& prompt) {
  const auto reason = why_no_prompt(prompt);
  if (!reason.empty()) throw UsageError(fmt::format("--{}: the text {}", option, reason));
}

/// `--precision` of the original and `--dtype` say the same thing; both are heard unless they
/// contradict each other.
void settle_dtype(DrawOptions& options) {
  if (!options.precision) return;
  const bool full = *options.precision == "full";
  const bool agree =
      options.dtype == DTypeChoice::kAuto || (options.dtype == DTypeChoice::kF32) == full;
  if (!agree) {
    throw UsageError(fmt::format(
        "--precision {} and --dtype contradict each other\n"
        "full means --dtype f32, autocast leaves the choice to the device; give one of them.",
        *options.precision));
  }
  if (full) options.dtype = DTypeChoice::kF32;
}

void require_file(std::string_view option, const std::optional<fs::path>& path) {
  std::error_code error;
  if (!path || fs::is_regular_file(*path, error)) return;
  if (const auto dead = dead_link(*path)) throw IoError(fmt::format("--{}: {}", option, *dead));
  if (!fs::exists(*path, error))
    throw IoError(fmt::format("--{}: {} does not exist", option, path->string()));
  throw IoError(
      fmt::format("--{}: {} is not a file but {}", option, path->string(), kind_of(*path)));
}

/// Prompts of a file are known only when it is read, and standard input can be read only once.
void check_maps(DrawOptions& options, const std::vector<PromptSet>& prompts,
                const Tokenizer& tokenizer) {
  settle_attn(options.attn, options.outdir);
  AttnSubject subject;
  for (const auto& set : prompts) {
    subject.prompts.insert(subject.prompts.end(), set.targets.begin(), set.targets.end());
    subject.source = set.source;
  }
  subject.negative_prompt = options.negative_prompt;
  subject.guided = options.scale != 1;
  subject.steps = options.ddim_steps;
  check_attn(options.attn, subject, tokenizer);
}

/// Latents are written when everything is drawn, so what is in their way is said now.
void check_latents(const DrawOptions& options) {
  if (options.swap.dry_run || !options.save_latents) return;
  for (const char* name : {kLatentsName, kSourceLatentsName}) {
    const auto latents = *options.save_latents / name;
    std::error_code ignored;
    if (!fs::exists(latents, ignored)) continue;
    throw IoError(fmt::format(
        "--save-latents: {} is there already and is not overwritten\nGive another folder.",
        latents.string()));
  }
}

/// A run that draws says it later, when it has read its list.
void print_tags_notice(const DrawOptions& options, const std::vector<PromptSet>& prompts,
                       const PromptReader& reader) {
  std::vector<std::string> texts;
  for (const auto& set : prompts) {
    texts.insert(texts.end(), set.targets.begin(), set.targets.end());
    if (set.source) texts.push_back(*set.source);
  }
  const auto notice = network_tags_notice(texts, reader);
  if (!notice.empty() && !options.quiet) print_message(notice);
}

/// What needs more memory than there can be is refused before anything is loaded. A GPU's memory is
/// its own affair.
void check_memory(const DrawOptions& options, const ModelConfig& config, const fs::path& model) {
  const auto machine = this_machine();
  if (!computes_on_cpu(options.device, machine)) return;
  const auto need = memory_need(options, config, model);
  remember_need(need);
  require_memory(need, machine);
  const bool said = options.place && options.place->follows;
  const auto notice = tight_memory_notice(need, machine);
  if (!notice.empty() && !said && !options.quiet) print_message(notice);
}

}  // namespace

std::shared_ptr<const Tokenizer> check(DrawOptions& options) {
  settle_laion400m(options);
  check_side("W", "width", options.W);
  check_side("H", "height", options.H);
  if (options.device.kind == DeviceChoice::Kind::kCuda)
    check_device(options.device, this_machine());
  check_sampling(options);
  check_prompt("prompt", options.prompt);
  for (const auto& target : options.swap.targets) check_prompt("prompt", target);
  if (options.swap.source) check_prompt("sprompt", *options.swap.source);
  check_prompt("negative-prompt", options.negative_prompt);
  settle_dtype(options);
  settle_seed(options);
  check_picture_files(options);
  if (options.outdir.empty()) throw UsageError("--outdir: the path is empty");
  // A list that was read already may have come through a pipe.
  if (options.from_file && *options.from_file != "-" && !options.listed)
    require_file("from-file", fs::path(*options.from_file));
  require_file("config", options.config);
  if (options.vae) require_model("--vae: ", *options.vae);
  if (options.clip) require_model("--clip: ", *options.clip);
  require_file("init-latents", options.init_latents);
  check_input(options);
  check_swap(options);
  const auto found = find_model(options.ckpt, model_roots());
  const auto model = inspect_model(
      {found.checkpoint, options.config, {options.vae, options.clip}, options.prediction});
  const auto plain = make_tokenizer(model.text);
  std::vector<PromptSet> prompts;
  if (!options.from_file) {
    prompts = {{options.swap.targets.empty() ? std::vector{options.prompt} : options.swap.targets,
                options.swap.source}};
    if (options.combinations) prompts = combinations_of(prompts.front());
  }
  const auto tokenizer = reader_of(options, prompts, plain);
  if (!prompts.empty()) check_controls(options, prompts, *tokenizer);
  check_maps(options, prompts, *reader_of_maps(options, tokenizer));
  check_latents(options);
  if (options.swap.dry_run) {
    print_tags_notice(options, prompts, *tokenizer);
  } else {
    print_notices(options, model);
    const auto variant = options.quiet ? std::nullopt : variant_notice(found.checkpoint);
    if (variant) print_message(*variant);
    print_foreign_names(options, found.checkpoint);
    check_memory(options, model, found.checkpoint);
  }
  return tokenizer;
}

}  // namespace sd::cli
