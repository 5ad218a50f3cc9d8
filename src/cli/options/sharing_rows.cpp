// Pictures that look at other pictures in self-attention.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/options/control_options.h"
#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

template <typename Field>
auto sharing(Field SharingOptions::*field) {
  return in(&DrawOptions::sharing, field);
}

/// Part of the steps, shown with its default.
OptionValue part_of_steps(StepShare SharingOptions::*member) {
  const auto field = sharing(member);
  auto value = steps(field, /*may_be_empty=*/false);
  value.preset = [field](const DrawOptions& options) {
    const auto& [begin, end] = std::invoke(field, options);
    return fmt::format("{}:{}", number_text(begin), number_text(end));
  };
  value.tell = [field](const DrawOptions& options) {
    return steps_json(std::invoke(field, options));
  };
  value.is_set = values::set_in(field);
  return value;
}

/// A side of latents, as metadata tell it where it is given.
OptionValue masactrl_res() {
  const auto field = sharing(&SharingOptions::masactrl_res);
  auto value =
      parsed("{8,16,32,64}", [](DrawOptions& options, const std::string&, const std::string& text) {
        options.sharing.masactrl_res = parse_latent_side("--masactrl-res", text);
      });
  value.is_set = values::set_in(field);
  value.tell = [field](const DrawOptions& options) {
    return values::json_of(std::invoke(field, options));
  };
  return value;
}

bool has_masactrl(const DrawOptions& options) { return options.sharing.masactrl; }
bool has_mask(const DrawOptions& options) { return !options.sharing.masactrl_mask.empty(); }
bool has_pnp(const DrawOptions& options) { return options.sharing.pnp; }
bool has_reference(const DrawOptions& options) { return options.sharing.reference.has_value(); }
bool has_style(const DrawOptions& options) { return options.sharing.style_aligned; }
bool has_appearance(const DrawOptions& options) { return options.sharing.appearance; }

constexpr const char* kLookingGroup = "Looking at another picture";
constexpr const char* kSourceGroup = "Looking at the source";

std::vector<OptionRow> masactrl_rows() {
  constexpr const char* kWithout = "belongs to --masactrl";
  return {
      {.names = "masactrl",
       .group = kSourceGroup,
       .help = "Change shape and pose: the target looks at the source's\nkeys and values in "
               "self-attention (MasaCtrl)",
       .value = flag(sharing(&SharingOptions::masactrl)),
       .commands = kSwapCommand,
       .key = {"masactrl", "ip_weights"},
       .told_if_given = true},
      {.names = "masactrl-steps",
       .group = kSourceGroup,
       .help = "In this part of the steps",
       .value = part_of_steps(&SharingOptions::masactrl_steps),
       .commands = kSwapCommand,
       .needs = has_masactrl,
       .without = kWithout,
       .key = {"masactrl_steps"},
       .told_where = has_masactrl},
      {.names = "masactrl-mask",
       .group = kSourceGroup,
       .help = "Where this word is looked at, look at where it is in\nthe source, elsewhere at the "
               "rest; again: or",
       .value = texts(sharing(&SharingOptions::masactrl_mask), "WORD"),
       .commands = kSwapCommand,
       .needs = has_masactrl,
       .without = kWithout,
       .key = {"masactrl_mask"},
       .told_if_given = true},
      {.names = "masactrl-res",
       .group = kSourceGroup,
       .help = "Masks from layers of so many latent pixels of 64 (16)",
       .value = masactrl_res(),
       .commands = kSwapCommand,
       .needs = has_mask,
       .without = "belongs to --masactrl-mask",
       .key = {"masactrl_res"},
       .told_if_given = true},
      {.names = "masactrl-threshold",
       .group = kSourceGroup,
       .help = "From how much of the largest attention on the source's\npixels are the word's",
       .value = number(sharing(&SharingOptions::masactrl_threshold), kThresholdRange),
       .commands = kSwapCommand,
       .needs = has_mask,
       .without = "belongs to --masactrl-mask",
       .key = {"masactrl_threshold"},
       .told_where = has_mask},
  };
}

std::vector<OptionRow> swap_methods() {
  constexpr const char* kOfPnp = "belongs to --pnp";
  constexpr const char* kOfAppearance = "belongs to --appearance";
  return {
      {.names = "pnp",
       .synonyms = "plug_and_play",
       .group = kSourceGroup,
       .help = "Keep the layout: the target has the source's queries,\nkeys and features "
               "(Plug-and-Play)",
       .value = flag(sharing(&SharingOptions::pnp)),
       .commands = kSwapCommand,
       .key = {"pnp"},
       .told_if_given = true},
      {.names = "pnp-attention",
       .synonyms = "pnp_attn_t",
       .group = kSourceGroup,
       .help = "Queries and keys in this share of the steps",
       .value = number(sharing(&SharingOptions::pnp_attention), kThresholdRange),
       .commands = kSwapCommand,
       .needs = has_pnp,
       .without = kOfPnp,
       .key = {"pnp_attention"},
       .told_where = has_pnp},
      {.names = "pnp-features",
       .synonyms = "pnp_f_t",
       .group = kSourceGroup,
       .help = "Features in this share of the steps",
       .value = number(sharing(&SharingOptions::pnp_features), kThresholdRange),
       .commands = kSwapCommand,
       .needs = has_pnp,
       .without = kOfPnp,
       .key = {"pnp_features"},
       .told_where = has_pnp},
      {.names = "appearance",
       .group = kSourceGroup,
       .help = "The target takes on how the source looks, and keeps its\nown structure "
               "(cross-image attention)",
       .value = flag(sharing(&SharingOptions::appearance)),
       .commands = kSwapCommand,
       .key = {"appearance"},
       .told_if_given = true},
      {.names = "appearance-contrast",
       .synonyms = "contrast_strength",
       .group = kSourceGroup,
       .help = "How much contrast its attention has; 1 leaves it",
       .value = number(sharing(&SharingOptions::appearance_contrast), kScaleRange),
       .commands = kSwapCommand,
       .needs = has_appearance,
       .without = kOfAppearance,
       .key = {"appearance_contrast"},
       .told_where = has_appearance},
      {.names = "appearance-guidance",
       .synonyms = "swap_guidance_scale",
       .group = kSourceGroup,
       .help = "With --scale 1: push away from what is drawn without,\nfalling to 1",
       .value = number(sharing(&SharingOptions::appearance_guidance), kScaleRange),
       .commands = kSwapCommand,
       .needs = has_appearance,
       .without = kOfAppearance,
       .key = {"appearance_guidance"},
       .told_where = has_appearance},
  };
}

std::vector<OptionRow> appearance_pictures() {
  constexpr const char* kOfAppearance = "belongs to --appearance";
  const auto has_picture = [](const DrawOptions& options) {
    return options.sharing.appearance_from.has_value();
  };
  return {
      {.names = "appearance-from",
       .group = kSourceGroup,
       .help =
           "Look like this picture, which is inverted for it; the\nsource is the structure then",
       .value = path(sharing(&SharingOptions::appearance_from), "FILE"),
       .commands = kSwapCommand,
       .role = Role::kInputFile,
       .needs = has_appearance,
       .without = kOfAppearance,
       .key = {"appearance_from"},
       .told_if_given = true},
      {.names = "appearance-prompt",
       .group = kSourceGroup,
       .help = "What that picture shows",
       .value = text(sharing(&SharingOptions::appearance_prompt)),
       .commands = kSwapCommand,
       .needs = has_picture,
       .without = "belongs to --appearance-from",
       .key = {"appearance_prompt"},
       .told_if_given = true},
      {.names = "appearance-object",
       .group = kSourceGroup,
       .help = "White where the object is that targets are to look like:\nits statistics are taken",
       .value = path(sharing(&SharingOptions::appearance_object), "FILE"),
       .commands = kSwapCommand,
       .role = Role::kInputFile,
       .needs = has_appearance,
       .without = kOfAppearance,
       .key = {"appearance_object"},
       .told_if_given = true},
      {.names = "appearance-onto",
       .group = kSourceGroup,
       .help = "White where the target takes them on",
       .value = path(sharing(&SharingOptions::appearance_onto), "FILE"),
       .commands = kSwapCommand,
       .role = Role::kInputFile,
       .needs = has_appearance,
       .without = kOfAppearance,
       .key = {"appearance_onto"},
       .told_if_given = true},
  };
}

std::vector<OptionRow> style_rows() {
  constexpr const char* kGroup = "One style for a batch";
  constexpr unsigned kCommands = kEveryCommand & ~kSwapCommand;
  return {
      {.names = "style-aligned",
       .group = kGroup,
       .help = "The pictures of a batch follow the style of its first\n(StyleAligned)",
       .value = flag(sharing(&SharingOptions::style_aligned)),
       .commands = kCommands,
       .key = {"style_aligned"},
       .told_if_given = true},
      {.names = "style-steps",
       .group = kGroup,
       .help = "In this part of the steps",
       .value = part_of_steps(&SharingOptions::style_steps),
       .commands = kCommands,
       .needs = has_style,
       .without = "belongs to --style-aligned",
       .key = {"style_steps"},
       .told_where = has_style},
  };
}

std::vector<OptionRow> reference_rows() {
  constexpr const char* kWithout = "belongs to --reference";
  return {
      {.names = "reference",
       .synonyms = "reference_only",
       .group = kLookingGroup,
       .help =
           "Look at this picture too, in self-attention (reference\nonly); one of another shape "
           "is cut to fit",
       .value = path(sharing(&SharingOptions::reference), "FILE"),
       .role = Role::kInputFile,
       .key = {"reference"},
       .told_if_given = true},
      {.names = "reference-fidelity",
       .synonyms = "style_fidelity",
       .group = kLookingGroup,
       .help = "How far guidance pushes towards it, 0 to 1",
       .value = number(sharing(&SharingOptions::reference_fidelity), kThresholdRange),
       .needs = has_reference,
       .without = kWithout,
       .key = {"reference_fidelity"},
       .told_where = has_reference},
      {.names = "reference-weight",
       .group = kLookingGroup,
       .help = "In this share of the layers, the widest first",
       .value = number(sharing(&SharingOptions::reference_weight), kThresholdRange),
       .needs = has_reference,
       .without = kWithout,
       .key = {"reference_weight"},
       .told_where = has_reference},
      {.names = "reference-steps",
       .group = kLookingGroup,
       .help = "In this part of the steps",
       .value = part_of_steps(&SharingOptions::reference_steps),
       .needs = has_reference,
       .without = kWithout,
       .key = {"reference_steps"},
       .told_where = has_reference},
  };
}

}  // namespace

std::vector<OptionRow> sharing_rows() {
  std::vector<OptionRow> rows;
  for (auto make : {masactrl_rows, swap_methods, appearance_pictures, style_rows, reference_rows}) {
    for (auto& row : make()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sd::cli
