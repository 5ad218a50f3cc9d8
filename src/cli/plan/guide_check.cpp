#include "cli/plan/guide_check.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "cli/options/given_options.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

std::string option_label(std::string_view field) {
  return field == "boxes" ? "--box" : "--" + dashed(field);
}

/// The guide that is asked for, as errors name it.
std::string_view guide_of(const DrawOptions& options) {
  return options.guides.excite.empty() ? "--box" : "--excite";
}

void refuse(bool given, const DrawOptions& options, std::string_view other, std::string_view why) {
  if (!given) return;
  throw UsageError(
      fmt::format("{}: {} {}\nLeave one of the two out.", guide_of(options), other, why));
}

void check_belonging(const DrawOptions& options) {
  const auto& guides = options.guides;
  const GuideWords untouched;
  const auto forbid = [](bool given, std::string_view what) {
    if (given) throw UsageError(std::string(what));
  };
  forbid(guides.excite.empty() && guides.excite_scale != untouched.excite_scale,
         "--excite-scale: says how far --excite moves the latents, which is not given");
  forbid(guides.boxes.empty() && guides.box_scale,
         "--box-scale: says how far --box moves the latents, which is not given");
  forbid(guides.boxes.empty() && guides.box_method != untouched.box_method,
         "--box-method: says how --box moves the latents, which is not given");
  const bool boxdiff = !guides.boxes.empty() && guides.box_method == BoxMethod::kBoxDiff;
  forbid(!boxdiff && guides.box_part,
         "--box-part: says how much of a box --box-method boxdiff fills, and there is no such box");
  forbid(!guides.guides() && guides.guide_res,
         "--guide-res: says which layers --excite and --box look at, and neither is given");
}

}  // namespace

void check_guides(const DrawOptions& options, const RunPrompts& prompts,
                  const RunNetworks& networks, const PromptReader& reader) {
  check_belonging(options);
  if (!options.guides.guides()) return;
  refuse(options.deepcache > 1, options, "--deepcache",
         "computes the deep layers in some steps alone, and gradients go through them before each");
  refuse(options.token_merging > 0, options, "--tome",
         "merges pixels, and gradients go through the whole UNet");
  refuse(!options.nets.inputs.empty(), options, "--control",
         "adds to the UNet what gradients do not go through");
  refuse(!options.image_prompts.adapters.empty(), options, "--ip-adapter",
         "has pixels look at a picture too, and gradients follow the words alone");
  refuse(!networks.sets.empty(), options, "a LoRA of some prompts or steps",
         "is added beside the weights that gradients go through; one of all prompts and steps is "
         "not");
  refuse(prompts.swaps() && options.swap.mode == SwapMode::kFork, options, "--mode fork",
         "draws as the original program did, which guided nothing; --mode p2p goes with it");
  for (const auto& set : prompts.sets) {
    for (const auto& target : set.targets) {
      refuse(reader.part_weights(target).size() > 1, options, "a prompt joined by AND",
             "is drawn in passes of their own, in which the words of others do not compete");
    }
    check_guide_words(options.guides, set.targets, reader, option_label);
  }
}

}  // namespace sd::cli
