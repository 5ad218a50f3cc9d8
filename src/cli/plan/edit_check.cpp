#include "cli/plan/edit_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <system_error>

#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"
#include "sd/core/error.h"
#include "sd/image/fit.h"
#include "sd/image/metadata.h"

namespace sd::cli {
namespace {

/// Reads the head of a picture, so that what is none is said before anything is loaded or written.
/// Returns its size.
Size require_picture(std::string_view option, const std::optional<std::filesystem::path>& path) {
  if (!path) return {};
  std::error_code ignored;
  if (!std::filesystem::exists(*path, ignored)) {
    throw IoError(fmt::format("--{}: {} does not exist", option, path->string()));
  }
  const auto picture = read_metadata(*path);
  return {picture.width, picture.height};
}

/// A picture may be as large as it likes, what is drawn may not.
std::optional<InputSize> size_of_input(const DrawOptions& options) {
  if (!options.input.init_img) return std::nullopt;
  const auto given = require_picture("init-img", options.input.init_img);
  const auto drawn = fit_size(given, options.W, options.H, kSideStep);
  if (std::max(drawn.width, drawn.height) <= kSideRange.most) return InputSize{given, drawn};
  throw UsageError(
      fmt::format("--init-img: {}x{} would be drawn as {}x{}, more than {} pixels a "
                  "side\nSay how large with --W, --H or both.",
                  given.width, given.height, drawn.width, drawn.height, kSideRange.most));
}

void forbid(bool given, std::string_view option, std::string_view why) {
  if (given) throw UsageError(fmt::format("--{}: {}", option, why));
}

}  // namespace

std::optional<InputSize> check_input(const DrawOptions& options) {
  const auto& input = options.input;
  const bool image = input.init_img.has_value(), mask = input.init_mask.has_value();
  constexpr std::string_view kNeedsImage = "needs a picture to start from: --init-img";
  constexpr std::string_view kNeedsMask = "needs a mask: --init-mask";
  const bool any_mask = input.masks();
  forbid(mask && !image, "init-mask", kNeedsImage);
  // The fork's swap took a strength and used none; draw_notices says so.
  const bool needed = options.task != DrawTask::kSwap;
  forbid(input.strength.has_value() && !image && needed, "strength", kNeedsImage);
  forbid(input.img_scale.has_value() && !image, "img-scale", kNeedsImage);
  forbid(input.use_mask && !mask, "use_mask", kNeedsMask);
  forbid(input.invert_mask && !any_mask, "invert-mask", kNeedsMask);
  forbid(input.mask_grow != 0 && !any_mask, "mask-grow", kNeedsMask);
  forbid(input.mask_blur > 0 && !any_mask, "mask-blur", kNeedsMask);
  forbid(input.no_paste && !any_mask, "no-paste", kNeedsMask);
  const auto size = size_of_input(options);
  require_picture("init-mask", input.init_mask);
  return size;
}

void check_swap(const DrawOptions& options, const Say& say) {
  const auto& swap = options.swap;
  const bool p2p = swap.mode == SwapMode::kPromptToPrompt;
  for (const auto& row : option_rows()) {
    if (row.needs == nullptr || row.needs(options)) continue;
    forbid(row.value.is_set(options), first_name(row), row.without);
  }
  forbid(!swap.blend_except.empty() && swap.local_blend.empty(), "blend-except",
         "takes from --local-blend, which is not given");
  forbid(swap.blend_threshold.has_value() && swap.local_blend.empty(), "blend-threshold",
         "is of the words of --local-blend, which is not given");
  forbid(swap.blend_res.has_value() && swap.local_blend.empty(), "blend-res",
         "is of the words of --local-blend, which is not given");
  forbid(swap.blend_start.has_value() && !swap.blends(), "blend-start",
         "needs --local-blend or --blend-mask");
  forbid(swap.blend_margin.has_value() && !swap.blends(), "blend-margin",
         "needs --local-blend or --blend-mask");
  forbid(swap.blend_mask.has_value() && !swap.local_blend.empty(), "blend-mask",
         "and --local-blend both say where to edit: give one of them");
  forbid(p2p && !swap.source && !options.from_file, "mode",
         "p2p takes attention from a source: give --sprompt TEXT");
  require_picture("blend-mask", swap.blend_mask);
  // What makes another picture of the same prompt.
  const bool differs = options.sharing.appearance || !options.concept_edits.empty() ||
                       !options.regions.regions.empty() || options.guides.guides() ||
                       !options.control.reweight.empty();
  if (!swap.source || options.quiet || differs) return;
  for (const auto& target : swap.targets) {
    if (target != *swap.source) continue;
    say("--prompt equals --sprompt: the target will be the source again");
  }
}

}  // namespace sd::cli
