// What attention is changed, and which of it is shown.
#include <nlohmann/json.hpp>

#include "cli/options/attn_lists.h"
#include "cli/options/choices.h"
#include "cli/options/control_options.h"
#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

using Json = OptionValue::Json;

constexpr Range<double> kAlphaRange{0.0, 1.0};

template <typename Field>
auto control(Field ControlOptions::*field) {
  return in(&DrawOptions::control, field);
}
template <typename Field>
auto attn(Field AttnOptions::*field) {
  return in(&DrawOptions::attn, field);
}

OptionValue reweight() {
  auto value = repeated("WORD=X[,X...]",
                        [](DrawOptions& options, const std::string&, const std::string& text) {
                          options.control.reweight.push_back(parse_word_weight(text));
                        });
  value.tell = [](const DrawOptions& options) {
    Json json = Json::array();
    for (const auto& weight : options.control.reweight)
      json.push_back({{"word", weight.word}, {"values", weight.values}});
    return json;
  };
  return value;
}

bool reweighs(const DrawOptions& options) { return !options.control.reweight.empty(); }

OptionValue reweight_steps() {
  auto value = steps(control(&ControlOptions::reweight_steps), /*may_be_empty=*/true);
  value.tell = [](const DrawOptions& options) {
    return steps_json(options.control.reweight_steps.value_or(AttnSteps{}));
  };
  return value;
}

}  // namespace

std::vector<OptionRow> reweight_rows() {
  constexpr const char* kGroup = "Attention control";
  return {
      {.names = "reweight",
       .group = kGroup,
       .help = "Multiply the attention paid to a word (a phrase, cat#2\nfor its second occurrence, "
               "@8 for a token); a value for\nall samples or one for each. May be given again",
       .value = reweight(),
       .of_a_sample = true,
       .key = {"control.reweight", "swap"},
       .told_if_given = true},
      {.names = "reweight-steps",
       .group = kGroup,
       .help = "Only in these steps, in fractions of all (0:1)",
       .value = reweight_steps(),
       .key = {"control.reweight_steps"},
       .told_where = reweighs},
  };
}

std::vector<OptionRow> scope_rows() {
  constexpr const char* kGroup = "Attention control";
  const Choices<std::optional<bool>> rows = {{"cond", false}, {"both", true}};
  return {
      {.names = "layers",
       .group = kGroup,
       .help = "Control only these parts of the UNet: down,middle,up",
       .value = list(control(&ControlOptions::parts), parse_parts),
       .key = {"control.layers", "control.reweight_steps"},
       .told_if_given = true},
      {.names = "heads",
       .group = kGroup,
       .help = "Control only these attention heads: 0-3,6",
       .value = list(control(&ControlOptions::heads), parse_heads),
       .key = {"control.heads", "control.res"},
       .told_if_given = true},
      {.names = "rows",
       .group = kGroup,
       .help = "Control the prompt's rows, or the negative prompt's too\n(default: what each "
               "control does where it comes from)",
       .value = choice(control(&ControlOptions::both_rows), rows),
       .key = {"control.rows"},
       .told_if_given = true},
      // `sd attn` has another option of this name, which may also mean this one.
      {.names = "res",
       .group = kGroup,
       .help = "Control only layers of so many latent pixels: 16,32",
       .value = list(control(&ControlOptions::resolutions), parse_resolutions),
       .commands = kEveryCommand & ~kAttnCommand,
       .key = {"control.res", "control.layers"},
       .told_if_given = true},
  };
}

std::vector<OptionRow> attn_rows() {
  constexpr const char* kGroup = "Attention maps";
  const Choices<bool> rows = {{"cond", true}, {"uncond", false}};
  return {
      {.names = "attn",
       .group = kGroup,
       .help = "Write heat maps of each picture's words to DIR/00000\nand on; pictures stay the "
               "same",
       .value = path(attn(&AttnOptions::dir), "DIR"),
       .role = Role::kElsewhere},
      {.names = "words",
       .group = kGroup,
       .help = "Words to draw, such as \"cat,red car,cat#2,@8\" (a word,\na phrase, its second "
               "occurrence, a token; default: all)",
       .value = list(attn(&AttnOptions::words), parse_words),
       .role = Role::kElsewhere},
      {.names = "attn-norm",
       .group = kGroup,
       .help = "What is bright. shared: 0 to the largest value of all\nwords, so that words "
               "compare; minmax: each word's own\nminimum to its maximum; fork: 0 to its maximum; "
               "token:\nits share of what a pixel pays to the prompt's tokens,\n0 to 1",
       .value = choice(attn(&AttnOptions::norm), attn_norm_choices(),
                       {"shared", "minmax", "fork", "token"}),
       .role = Role::kElsewhere},
      {.names = "attn-colormap",
       .group = kGroup,
       .help = "Colours of the maps; turbo and jet lie over the picture\nin grey",
       .value = choice(attn(&AttnOptions::colormap), colormap_choices()),
       .role = Role::kElsewhere},
      {.names = "attn-alpha",
       .group = kGroup,
       .help = "How much of an overlay is map, 0 to 1",
       .value = number(attn(&AttnOptions::alpha), kAlphaRange),
       .role = Role::kElsewhere},
      {.names = "attn-kind",
       .group = kGroup,
       .help = "Whose maps: the prompt's own (before control), the\napplied ones (after it), the "
               "source prompt's",
       .value = choice(attn(&AttnOptions::kind), attn_kind_choices()),
       .role = Role::kElsewhere},
      {.names = "attn-rows",
       .group = kGroup,
       .help = "Maps of the prompt, or of the negative prompt",
       .value = choice(attn(&AttnOptions::conditional), rows),
       .role = Role::kElsewhere},
      {.names = "attn-steps",
       .group = kGroup,
       .help = "Only these steps, in fractions of all (0:1)",
       .value = steps(attn(&AttnOptions::steps), /*may_be_empty=*/false),
       .role = Role::kElsewhere},
      {.names = "attn-layers",
       .group = kGroup,
       .help = "Only these parts of the UNet: down,middle,up",
       .value = list(attn(&AttnOptions::parts), parse_parts),
       .role = Role::kElsewhere},
      {.names = "attn-res",
       .group = kGroup,
       .help = "Only layers of these latent sides: 16,32",
       .value = list(attn(&AttnOptions::resolutions), parse_resolutions),
       .role = Role::kElsewhere},
      {.names = "attn-heads",
       .group = kGroup,
       .help = "Only these attention heads: 0-3,6",
       .value = list(attn(&AttnOptions::heads), parse_heads),
       .role = Role::kElsewhere},
      {.names = "is_get_attn",
       .group = kGroup,
       .help = "Write the maps of every step and layer as the fork does",
       .value = flag(attn(&AttnOptions::is_get_attn)),
       .role = Role::kElsewhere},
      {.names = "save_attn_dir",
       .group = kGroup,
       .help = "Where those go: DIR/crossatt/*.npy, of later batches\nDIR/batch-0001/crossatt and "
               "on (OUTDIR/attn_maps)",
       .value = path(attn(&AttnOptions::save_attn_dir), "DIR"),
       .role = Role::kElsewhere},
  };
}

}  // namespace sd::cli
