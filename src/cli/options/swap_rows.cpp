// A picture to start from, and what `sd swap` has of its own.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/options/attn_lists.h"
#include "cli/options/control_options.h"
#include "cli/options/draw_limits.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

template <typename Field>
auto input(Field PictureInput::*field) {
  return in(&DrawOptions::input, field);
}
/// Of SwapOptions, or of the words that it has from the library.
template <typename Owner, typename Field>
auto swap(Field Owner::*field) {
  return in(&DrawOptions::swap, field);
}

bool has_picture(const DrawOptions& options) { return options.input.init_img.has_value(); }
bool has_source(const DrawOptions& options) { return options.swap.source.has_value(); }
bool in_fork_mode(const DrawOptions& options) {
  return options.swap.mode == SwapMode::kFork && !options.sharing.settings().needs_source();
}
bool in_p2p_mode(const DrawOptions& options) {
  return options.swap.mode == SwapMode::kPromptToPrompt;
}
bool is_fork(const DrawOptions& options) { return has_source(options) && in_fork_mode(options); }
bool is_p2p(const DrawOptions& options) { return has_source(options) && in_p2p_mode(options); }
bool blends(const DrawOptions& options) { return is_p2p(options) && options.swap.blends(); }

/// `value`, told as `otherwise` where it is not given.
template <typename Field, typename Default>
OptionValue told_with_default(OptionValue value, Field field, Default otherwise) {
  value.tell = [field, otherwise](const DrawOptions& options) {
    return Json(field(options).value_or(otherwise));
  };
  return value;
}

OptionValue strength() {
  const auto field = input(&PictureInput::strength);
  return told_with_default(number(field, kStrengthRange), field, kDefaultStrength);
}

std::string strength_text(const DrawOptions& options) {
  return number_text(options.input.strength.value_or(kDefaultStrength));
}

OptionValue no_paste() {
  auto value = flag(input(&PictureInput::no_paste));
  value.tell = [](const DrawOptions& options) { return !options.input.no_paste; };
  return value;
}

OptionValue cross_steps() {
  auto value = repeated(
      "[WORD=]A:B", [](DrawOptions& options, const std::string& option, const std::string& text) {
        options.swap.cross_steps.push_back(parse_word_steps(option, text));
      });
  value.is_set = values::set_in(swap(&SwapOptions::cross_steps));
  value.tell = [](const DrawOptions& options) {
    const auto& all = options.swap.cross_steps;
    Json json = Json::array();
    const auto add = [&json](const std::string& word, const AttnSteps& steps) {
      json.push_back({{"word", word}, {"steps", steps_json(steps)}});
    };
    const bool for_all = std::any_of(all.begin(), all.end(),
                                     [](const WordSteps& some) { return some.word.empty(); });
    if (!for_all) add("", kDefaultCrossSteps);
    for (const auto& [word, steps] : all) add(word, steps);
    return json;
  };
  return value;
}

OptionValue self_steps() {
  auto value = steps(swap(&SwapOptions::self_steps), /*may_be_empty=*/true);
  value.tell = [](const DrawOptions& options) {
    return steps_json(options.swap.self_steps.value_or(kDefaultSelfSteps));
  };
  return value;
}

OptionValue self_max_res() {
  const auto field = swap(&SwapOptions::self_max_res);
  return told_with_default(whole(field, kLatentSideRange), field, kDefaultSelfMaxRes);
}

OptionValue blend_res() {
  const auto field = swap(&SwapOptions::blend_res);
  auto value =
      parsed("{8,16,32,64}", [](DrawOptions& options, const std::string&, const std::string& text) {
        options.swap.blend_res = parse_latent_side("--blend-res", text);
      });
  value.is_set = values::set_in(field);
  return told_with_default(std::move(value), field, kDefaultBlendRes);
}

OptionValue fraction(std::optional<double> SwapOptions::*member, double otherwise) {
  const auto field = swap(member);
  auto value = told_with_default(number(field, kThresholdRange), field, otherwise);
  value.preset = [otherwise](const DrawOptions&) { return number_text(otherwise); };
  return value;
}

constexpr std::string_view kOfP2p = "belongs to --mode p2p";

std::vector<OptionRow> blend_rows() {
  constexpr const char* kGroup = "Swap";
  return {
      {.names = "local-blend",
       .group = kGroup,
       .help = "p2p: edit only where this word is looked at (again: or)",
       .value = texts(swap(&SwapOptions::local_blend), "WORD"),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .of_a_sample = true,
       .key = {"swap.local_blend"},
       .told_where = blends},
      {.names = "blend-except",
       .group = kGroup,
       .help = "p2p: but not where this word is looked at",
       .value = texts(swap(&SwapOptions::blend_except), "WORD"),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .of_a_sample = true,
       .key = {"swap.blend_except"},
       .told_where = blends},
      {.names = "blend-threshold",
       .group = kGroup,
       .help = "p2p: of the largest attention, from 0 to 1",
       .value = fraction(&SwapOptions::blend_threshold, kDefaultBlendThreshold),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .key = {"swap.blend_threshold"},
       .told_where = blends},
      {.names = "blend-start",
       .group = kGroup,
       .help = "p2p: part of the steps before blending begins",
       .value = fraction(&SwapOptions::blend_start, kDefaultBlendStart),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .key = {"swap.blend_start"},
       .told_where = blends},
      {.names = "blend-res",
       .group = kGroup,
       .help = "p2p: looked at in layers of so many latent pixels of 64,\nscaled with the latents "
               "(16, more where latents are so\nsmall that it would be fewer than 16)",
       .value = blend_res(),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .key = {"swap.blend_res"},
       .told_where = blends},
      {.names = "blend-margin",
       .group = kGroup,
       .help = "p2p: put the source's pixels back that are further from\nthe edit than so many "
               "(without: no pixel is put back)",
       .value = number(swap(&SwapOptions::blend_margin), kGrowRange),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .key = {"swap.blend_margin"},
       .told_where = blends},
      {.names = "blend-mask",
       .group = kGroup,
       .help = "p2p: edit only where this picture is white",
       .value = path(swap(&SwapOptions::blend_mask), "FILE"),
       .commands = kSwapCommand,
       .role = Role::kInputFile,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .key = {"swap.blend_mask"},
       .told_where = blends},
  };
}

}  // namespace

std::vector<OptionRow> input_rows() {
  constexpr const char* kGroup = "Picture";
  return {
      {.names = "init-img",
       .synonyms = "i,I,init_image,input_image,image",
       .group = kGroup,
       .help = "Picture to start from",
       .value = path(input(&PictureInput::init_img), "FILE"),
       .commands = kPictureCommands,
       .role = Role::kInputFile,
       .key = {"input.init_img", "variation"},
       .told_where = has_picture},
      {.names = "strength",
       .synonyms = "denoising_strength,denoise_strength,denoise",
       .group = kGroup,
       .help = "How much to change it: 0 nothing, 1 all; the last\nSTRENGTH x STEPS steps are run "
               "(0.75; 1 where the model\nis shown the picture: inpainting, InstructPix2Pix)",
       .value = strength(),
       .commands = kPictureCommands,
       .key = {"input.strength"},
       .told_where = has_picture,
       .infotext = {.key = "Denoising strength",
                    .after = "Variation seed strength",
                    .always = true,
                    .text = strength_text}},
      {.names = "img-scale",
       .synonyms = "image_guidance_scale,image_cfg_scale",
       .group = kGroup,
       .help = "InstructPix2Pix: how closely to follow the picture (1.5)",
       .value = number(input(&PictureInput::img_scale), kScaleRange),
       .commands = kPictureCommands,
       .key = {"input.img_scale"},
       .told_where = has_picture,
       .infotext = {.key = "Image CFG scale", .read_back = "img-scale"}},
      {.names = "init-mask",
       .synonyms = "mask_image,mask_img",
       .group = kGroup,
       .help = "Draw anew only where this picture is white",
       .value = path(input(&PictureInput::init_mask), "FILE"),
       .commands = kPictureCommands,
       .role = Role::kInputFile,
       .key = {"input.init_mask"},
       .told_where = has_picture},
      {.names = "use_mask",
       .group = kGroup,
       .help = "Use --init-mask (naming one is enough)",
       .value = flag(input(&PictureInput::use_mask)),
       .commands = kPictureCommands,
       .told_by = "input.init_mask"},
      {.names = "invert-mask",
       .group = kGroup,
       .help = "Draw anew where it is black",
       .value = flag(input(&PictureInput::invert_mask)),
       .commands = kPictureCommands,
       .key = {"input.invert_mask"},
       .told_where = has_picture},
      {.names = "mask-grow",
       .group = kGroup,
       .help = "Widen the mask by so many pixels first (below 0: narrow it)",
       .value = number(input(&PictureInput::mask_grow), kMaskGrowRange),
       .commands = kPictureCommands,
       .key = {"input.mask_grow"},
       .told_where = has_picture},
      {.names = "mask-blur",
       .group = kGroup,
       .help = "Soften the mask by so many pixels",
       .value = number(input(&PictureInput::mask_blur), kBlurRange),
       .commands = kPictureCommands,
       .key = {"input.mask_blur"},
       .told_where = has_picture},
      {.names = "no-paste",
       .group = kGroup,
       .help = "Leave pixels outside the mask as the autoencoder\nmakes them, do not paste the "
               "original's back",
       .value = no_paste(),
       .commands = kPictureCommands,
       .key = {"input.paste"},
       .told_where = has_picture},
  };
}

std::vector<OptionRow> swap_rows() {
  constexpr const char* kGroup = "Swap";
  const Choices<SwapMode> modes = {
      {"fork", SwapMode::kFork}, {"p2p", SwapMode::kPromptToPrompt}, {"none", SwapMode::kNone}};
  std::vector<OptionRow> rows = {
      {.names = "sprompt",
       .group = kGroup,
       .help = "The source: what the targets take their attention from",
       .value = text(swap(&SwapOptions::source)),
       .commands = kSwapCommand,
       .of_a_sample = true,
       .key = {"swap.source", "clip"},
       .told_where = has_source},
      {.names = "is-swap",
       .group = kGroup,
       .help = "Swap (naming a source is enough)",
       .value = flag(swap(&SwapOptions::is_swap)),
       .commands = kSwapCommand,
       .told_by = "swap.source"},
      {.names = "mode",
       .group = kGroup,
       .help = "fork: maps of tokens that stand in the same place, in\nall rows; p2p: "
               "Prompt-to-Prompt; none: no maps (what\n--masactrl, --pnp and --appearance take)",
       .value = choice(swap(&SwapOptions::mode), modes),
       .commands = kSwapCommand,
       .key = {"swap.mode", "swap.target"},
       .told_where = has_source},
      {.names = "tthres",
       .group = kGroup,
       .help = "fork: swap while the timestep is not below this one",
       .value = number(swap(&SwapOptions::tthres), kTimestepRange),
       .commands = kSwapCommand,
       .needs = in_fork_mode,
       .without = "belongs to --mode fork; here --cross-steps says when",
       .key = {"swap.tthres"},
       .told_where = is_fork},
      {.names = "cross-steps",
       .group = kGroup,
       .help = "p2p: steps in which words follow the source (0:0.8),\nin fractions of all; one "
               "word's own: \"cat=0:0.4\"",
       .value = cross_steps(),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .of_a_sample = true,
       .key = {"swap.cross_steps"},
       .told_where = is_p2p},
      {.names = "cross-box",
       .group = kGroup,
       .help = "p2p: what follows this word of the source may fill the\nbox around it, not its "
               "outline alone. May be given again",
       .value = texts(swap(&SwapOptions::cross_box), "WORD"),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .of_a_sample = true,
       .key = {"swap.cross_box"},
       .told_where = is_p2p},
      {.names = "self-steps",
       .group = kGroup,
       .help = "p2p: steps in which self-attention is the source's\n(0:0.4)",
       .value = self_steps(),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .key = {"swap.self_steps"},
       .told_where = is_p2p},
      {.names = "self-max-res",
       .group = kGroup,
       .help = "p2p: in layers of at most so many latent pixels of 64\n(16); scaled with the "
               "latents",
       .value = self_max_res(),
       .commands = kSwapCommand,
       .needs = in_p2p_mode,
       .without = kOfP2p,
       .key = {"swap.self_max_res"},
       .told_where = is_p2p},
  };
  for (auto& row : blend_rows()) rows.push_back(std::move(row));
  return rows;
}

}  // namespace sd::cli
