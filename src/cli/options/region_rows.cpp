// Prompts of regions, masks beside --init-mask, and concepts that are edited.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

constexpr Range<double> kBaseRange{0.0, 10.0};

template <typename Field>
auto region(Field RegionOptions::*field) {
  return in(&DrawOptions::regions, field);
}
template <typename Field>
auto input(Field PictureInput::*field) {
  return in(&DrawOptions::input, field);
}

bool has_regions(const DrawOptions& options) { return !options.regions.regions.empty(); }
bool has_mask(const DrawOptions& options) { return options.input.masks(); }
bool has_auto_mask(const DrawOptions& options) { return options.input.auto_mask; }

OptionValue regions() {
  auto value = repeated("FILE|BOX:PROMPT", [](DrawOptions& options, const std::string& option,
                                              const std::string& text) {
    options.regions.regions.push_back(parse_region(option, text));
  });
  value.tell = [](const DrawOptions& options) {
    Json list = Json::array();
    for (const auto& [box, mask, prompt] : options.regions.regions) {
      const auto where =
          box ? Json{box->x0, box->y0, box->x1, box->y1} : Json(mask.filename().string());
      list.push_back({{"where", where}, {"prompt", prompt}});
    }
    return list;
  };
  value.is_set = values::set_in(region(&RegionOptions::regions));
  value.files = [](const std::string& text) {
    const auto one = parse_region("--region", text);
    return one.box ? std::vector<std::string>() : std::vector<std::string>{one.mask.string()};
  };
  return value;
}

OptionValue concepts() {
  auto value = repeated("[+|-]CONCEPT[:SCALE]", [](DrawOptions& options, const std::string& option,
                                                   const std::string& text) {
    options.concept_edits.push_back(parse_concept_edit(option, text));
  });
  value.tell = [](const DrawOptions& options) {
    Json list = Json::array();
    for (const auto& edit : options.concept_edits) {
      list.push_back({{"concept", edit.concept_text},
                      {"scale", edit.scale},
                      {"threshold", edit.threshold},
                      {"steps", {edit.steps.begin, edit.steps.end}}});
    }
    return list;
  };
  value.is_set = values::set_in([](auto& options) -> auto& { return options.concept_edits; });
  return value;
}

std::vector<OptionRow> rows_of_regions(const char* group) {
  constexpr const char* kWithout = "belongs to --region";
  const Choices<RegionMode> modes = {{"latent", RegionMode::kLatent},
                                     {"attention", RegionMode::kAttention}};
  return {
      {.names = "region",
       .group = group,
       .help = "A prompt of its own where a picture is white or in a box\nx0,y0,x1,y1 (shares of "
               "width and height). May be given again",
       .value = regions(),
       .role = Role::kInputFile,
       .key = {"region", "nag_alpha"},
       .told_if_given = true},
      {.names = "region-base",
       .group = group,
       .help = "How much --prompt itself counts beside a region's (1);\n0: regions cover all",
       .value = number(region(&RegionOptions::base), kBaseRange),
       .needs = has_regions,
       .without = kWithout,
       .key = {"region_base"},
       .told_if_given = true},
      {.names = "region-feather",
       .group = group,
       .help = "Soften the regions' edges by so many pixels",
       .value = number(region(&RegionOptions::feather), kBlurRange),
       .needs = has_regions,
       .without = kWithout,
       .key = {"region_feather"},
       .told_if_given = true},
      {.names = "region-mode",
       .group = group,
       .help = "What is weighed: predictions, a UNet row a prompt, or\nwhat cross-attention gives",
       .value = choice(region(&RegionOptions::mode), modes),
       .needs = has_regions,
       .without = kWithout,
       .key = {"region_mode"},
       .told_if_given = true},
  };
}

std::vector<OptionRow> rows_of_masks(const char* group) {
  constexpr const char* kWithoutMask = "needs a mask: --init-mask, --edit-mask or --auto-mask";
  constexpr const char* kWithoutAuto = "belongs to --auto-mask";
  const Choices<MaskMode> modes = {{"soft", MaskMode::kSoft}, {"graded", MaskMode::kGraded}};
  return {
      {.names = "mask-mode",
       .group = group,
       .help = "What grey of a mask means: so much of the change counts,\nor so much may change "
               "(differential diffusion)",
       .value = choice(input(&PictureInput::mask_mode), modes),
       .commands = kPictureCommands,
       .needs = has_mask,
       .without = kWithoutMask,
       .key = {"input.mask_mode", "input.paste"},
       .told_if_given = true},
      {.names = "edit-mask",
       .group = group,
       .help = "Targets may change where this picture is white; outside,\npixels stay the source's "
               "or those of --init-img",
       .value = path(input(&PictureInput::edit_mask), "FILE"),
       .commands = kSwapCommand,
       .role = Role::kInputFile,
       .key = {"input.edit_mask", "input.mask_mode"},
       .told_if_given = true},
      {.names = "auto-mask",
       .group = group,
       .help = "Change --init-img only where what the prompt and the\nsource predict differs "
               "(DiffEdit)",
       .value = flag(input(&PictureInput::auto_mask)),
       .commands = kPictureCommands,
       .key = {"input.auto_mask", "input.edit_mask"},
       .told_if_given = true},
      {.names = "auto-mask-from",
       .group = group,
       .help = "What the picture shows (--sprompt, or nothing)",
       .value = text(input(&PictureInput::auto_mask_from)),
       .commands = kPictureCommands,
       .needs = has_auto_mask,
       .without = kWithoutAuto,
       .key = {"input.auto_mask_from", "input.auto_mask"},
       .told_if_given = true},
      {.names = "auto-mask-threshold",
       .group = group,
       .help = "How much of the largest difference counts",
       .value = number(input(&PictureInput::auto_mask_threshold), kThresholdRange),
       .commands = kPictureCommands,
       .needs = has_auto_mask,
       .without = kWithoutAuto,
       .key = {"input.auto_mask_threshold", "input.auto_mask_from"},
       .told_if_given = true},
      {.names = "save-mask",
       .group = group,
       .help = "Write the mask that was drawn with, as PNG",
       .value = path(input(&PictureInput::save_mask), "FILE"),
       .commands = kPictureCommands,
       .role = Role::kElsewhere,
       .needs = has_mask,
       .without = kWithoutMask},
  };
}

}  // namespace

std::vector<OptionRow> region_rows() {
  constexpr const char* kGroup = "Regions and concepts";
  auto rows = rows_of_regions(kGroup);
  for (auto& row : rows_of_masks("Masks")) rows.push_back(std::move(row));
  rows.push_back({.names = "edit",
                  .group = kGroup,
                  .help = "Add a concept (+, the default) or take one out (-), where\nit is looked "
                          "at: CONCEPT[:SCALE[:THRESHOLD[:START[:END]]]]\n(LEDITS++; 5:0.9:0:1). "
                          "May be given again",
                  .value = concepts(),
                  .key = {"edit", "region_mode"},
                  .told_if_given = true});
  return rows;
}

}  // namespace sd::cli
