#include "cli/plan/settled_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/models/find_model.h"
#include "cli/options/draw_limits.h"
#include "cli/options/picture_options.h"
#include "cli/options/sampler_options.h"
#include "cli/plan/lanes.h"
#include "cli/plan/mask_check.h"
#include "cli/plan/prompt_list.h"
#include "cli/plan/sharing_check.h"
#include "core/posix_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLatentChannels = 4;  // of SD v1 and v2
constexpr int64_t kLatentFactor = 8;

struct LaionFiles {
  std::optional<fs::path> ckpt, config;
};

/// What `--laion400m` stands for; what was named wins. Weights of another place tell themselves
/// what they are, so that only those that are looked for come with the configuration.
LaionFiles laion_files(const DrawOptions& typed) {
  if (typed.ckpt) return {typed.ckpt, typed.config};
  const auto roots = model_roots();
  const auto ckpt = find_in_roots("--laion400m", kLaionCheckpoint, roots);
  if (typed.config) return {ckpt, typed.config};
  return {ckpt, find_in_roots("--laion400m", kLaionConfig, roots)};
}

fs::path settled_folder(const DrawOptions& typed) {
  auto folder = typed.folder();
  if (typed.laion400m && !typed.outdir) folder += "-laion400m";
  return folder;
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

void check_prompts(const DrawOptions& options) {
  check_prompt("prompt", options.prompt);
  for (const auto& target : options.swap.targets) check_prompt("prompt", target);
  if (options.swap.source) check_prompt("sprompt", *options.swap.source);
  check_prompt("negative-prompt", options.negative_prompt);
}

/// `--precision` of the original and `--dtype` say the same thing; both are heard unless they
/// contradict each other.
DTypeChoice settled_dtype(const DrawOptions& typed) {
  if (!typed.precision) return typed.dtype;
  const bool full = *typed.precision == "full";
  const bool agree =
      typed.dtype == DTypeChoice::kAuto || (typed.dtype == DTypeChoice::kF32) == full;
  if (!agree) {
    throw UsageError(fmt::format(
        "--precision {} and --dtype contradict each other\n"
        "full means --dtype f32, autocast leaves the choice to the device; give one of them.",
        *typed.precision));
  }
  return full ? DTypeChoice::kF32 : typed.dtype;
}

void check_seed(const DrawOptions& options) {
  if (options.variation && options.init_latents) {
    throw UsageError("--variation: mixes noises, and --init-latents gives the start itself");
  }
  if (options.seed_mode == SeedMode::kImage && options.fixed_code) {
    throw UsageError(
        "--seed-mode image gives every picture a start of its own, --fixed_code one to all");
  }
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

void check_files(const DrawOptions& options) {
  check_picture_files(options);
  if (options.outdir->empty()) throw UsageError("--outdir: the path is empty");
  require_file("config", options.config);
  if (options.vae) require_model("--vae: ", *options.vae);
  if (options.clip) require_model("--clip: ", *options.clip);
  require_file("init-latents", options.init_latents);
}

/// Where `sd attn` and `--is_get_attn` write if that was left open.
AttnOptions settled_attn(AttnOptions attn, const fs::path& outdir) {
  if (attn.always && !attn.dir) attn.dir = outdir / "attn";
  if (attn.saves() && !attn.save_attn_dir) attn.save_attn_dir = outdir / "attn_maps";
  return attn;
}

SwapOptions settled_swap(SwapOptions swap, const DrawOptions& typed) {
  // The lines of a list are the targets; without one `sd swap` has asked for them.
  if (typed.task == DrawTask::kSwap && swap.targets.empty()) swap.targets = {typed.prompt};
  if (typed.sharing.settings().needs_source() && swap.mode == SwapMode::kFork)
    swap.mode = SwapMode::kNone;  // where another was asked for, check_sharing has refused it
  swap.self_steps = swap.self_steps.value_or(kDefaultSelfSteps);
  swap.self_max_res = swap.self_max_res.value_or(kDefaultSelfMaxRes);
  swap.blend_threshold = swap.blend_threshold.value_or(kDefaultBlendThreshold);
  swap.blend_start = swap.blend_start.value_or(kDefaultBlendStart);
  return swap;
}

}  // namespace

uint64_t settled_seed(const DrawOptions& options, const Say& say) {
  if (options.seed) return *options.seed;
  const uint64_t seed = std::random_device{}();
  if (!options.quiet) say(fmt::format("seed: {}", seed));
  return seed;
}

SettledOptions settled_options(const DrawOptions& typed, const Say& say) {
  auto options = typed;
  if (typed.laion400m) {
    if (!typed.quiet) say("Falling back to LAION 400M model...");
    const auto files = laion_files(typed);
    options.ckpt = files.ckpt;
    options.config = files.config;
  }
  options.outdir = settled_folder(typed);
  check_side("W", "width", typed.W);
  check_side("H", "height", typed.H);
  check_devices(typed);
  check_sampling(typed);
  options.sampler = typed.chosen_sampler();
  check_prompts(typed);
  options.dtype = settled_dtype(typed);
  check_seed(typed);
  options.seed = settled_seed(typed, say);
  check_files(options);
  const auto input = check_input(typed);
  check_swap(typed, say);
  check_masks(typed);
  check_sharing(typed);
  options.attn = settled_attn(typed.attn, *options.outdir);
  options.swap = settled_swap(typed.swap, typed);
  if (typed.task == DrawTask::kSwap) options.prompt = options.swap.targets.front();
  return {std::move(options), input};
}

}  // namespace sd::cli
