#include "cli/plan/run_regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/plan/mask_notice.h"
#include "sd/image/mask.h"
#include "sd/image/read.h"

namespace sd::cli {
namespace {

template <typename Change>
RunPrompts with_targets(RunPrompts prompts, Change change) {
  for (auto& set : prompts.sets) {
    for (auto& target : set.targets) target = change(target);
  }
  return prompts;
}

/// The first region whose mask is a file that covers something, read once.
RunRegion read_region(const RegionOption& option, const Say& say) {
  RunRegion region{option.prompt, option.box, {}};
  if (region.box) return region;
  const auto picture = read_image(option.mask);
  auto fitted = fit_mask(picture, {picture.width, picture.height});
  for (const auto& notice : mask_notices(fitted)) {
    if (fitted.brightest > 0) say(fmt::format("--region: {}: {}", option.mask.string(), notice));
  }
  region.mask = std::move(fitted.mask);
  return region;
}

bool covers_nothing(const RunRegion& region) {
  return !region.box &&
         std::ranges::all_of(region.mask.pixels, [](uint8_t value) { return value == 0; });
}

}  // namespace

Image RunRegion::sized(Size size) const {
  return box ? box_mask(*box, size) : fit_mask(mask, size).mask;
}

std::string RunRegions::composed(const std::string& prompt) const {
  std::string all = base > 0 ? prompt : "";
  for (const auto& region : regions) {
    if (base > 0 || &region != &regions.front()) all += " AND ";
    all += region.prompt;
  }
  return all;
}

std::string RunRegions::watched(const std::string& prompt) const {
  if (empty()) return prompt;
  if (!in_attention) return composed(prompt);
  return base > 0 ? prompt : regions.front().prompt;
}

RunRegions run_regions(const DrawOptions& options, const Say& say) {
  const auto& typed = options.regions;
  RunRegions run{{}, typed.base, typed.feather, typed.mode == RegionMode::kAttention};
  for (const auto& option : typed.regions) {
    auto region = read_region(option, options.quiet ? Say([](const std::string&) {}) : say);
    if (!covers_nothing(region)) {
      run.regions.push_back(std::move(region));
    } else if (!options.quiet) {
      say(fmt::format("--region: {} is black everywhere: \"{}\" is drawn nowhere",
                      option.mask.string(), option.prompt));
    }
  }
  return run;
}

RunPrompts composed_prompts(const RunPrompts& prompts, const RunRegions& regions) {
  if (regions.empty()) return prompts;
  return with_targets(prompts, [&](const std::string& text) { return regions.composed(text); });
}

RunPrompts watched_prompts(const RunPrompts& prompts, const RunRegions& regions) {
  if (regions.empty()) return prompts;
  return with_targets(prompts, [&](const std::string& text) { return regions.watched(text); });
}

}  // namespace sd::cli
