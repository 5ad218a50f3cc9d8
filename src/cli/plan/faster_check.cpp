#include "cli/plan/faster_check.h"

#include <fmt/format.h>

#include <string_view>

#include "cli/options/draw_limits.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

/// What of attention the run controls or shows, by the option that asks for it; empty: nothing.
std::string_view use_of_attention(const DrawOptions& options, const RunPrompts& prompts) {
  if (prompts.swaps()) return "a swap";
  if (!options.control.reweight.empty()) return "--reweight";
  if (options.attn.draws()) return "--attn";
  return options.attn.saves() ? "--is_get_attn" : "";
}

/// Prompt-to-Prompt's self-attention in layers where pixels are merged. Where --layers or --res
/// leave layers out, the run itself knows.
bool injects_at_full_size(const DrawOptions& options, const RunPrompts& prompts) {
  const auto& swap = options.swap;
  const auto share = swap.self_steps.value_or(kDefaultSelfSteps);
  return prompts.swaps() && swap.mode == SwapMode::kPromptToPrompt && share.begin < share.end &&
         swap.self_max_res.value_or(kDefaultSelfMaxRes) == kLatentSideRange.most &&
         options.control.parts.empty() && options.control.resolutions.empty();
}

void check_interval(const DrawOptions& options) {
  const auto& [begin, end] = options.guidance_interval;
  const auto count = static_cast<double>(options.steps);
  if (static_cast<int64_t>(begin * count) < static_cast<int64_t>(end * count)) return;
  throw UsageError(fmt::format(
      "--guidance-interval {}:{} holds none of {} steps\nEach step is {} of them; --scale 1 guides "
      "none.",
      begin, end, options.steps, 1 / count));
}

/// Of guidance what is known to fail before a model is read.
void check_added(const DrawOptions& options) {
  const auto& added = options.added;
  if (added.pag_scale != 0 && added.seg_scale != 0) {
    throw UsageError("--pag and --seg perturb the same attention\nLeave one of the two out.");
  }
  if (added.sag_scale != 0 && options.deepcache > 1) {
    throw UsageError(fmt::format(
        "--deepcache {}: --sag predicts from other latents in every step, of which no deep layers "
        "are kept\nLeave one of the two out.",
        options.deepcache));
  }
}

}  // namespace

void check_faster(const DrawOptions& options, const RunPrompts& prompts) {
  check_interval(options);
  check_added(options);
  const auto use = use_of_attention(options, prompts);
  if (options.deepcache > 1 && !use.empty()) {
    throw UsageError(fmt::format(
        "--deepcache {}: {} needs the attention of every step, and between whole steps the deep "
        "layers are not computed\nLeave one of the two out; --tome and --guidance-interval go with "
        "attention.",
        options.deepcache, use));
  }
  if (options.token_merging > 0 && injects_at_full_size(options, prompts)) {
    throw UsageError(fmt::format(
        "--tome: --self-max-res {} takes self-attention from the source in the layers where pixels "
        "are merged\nGive --self-max-res 32 or less, or leave --tome out.",
        kLatentSideRange.most));
  }
}

}  // namespace sd::cli
