#include "cli/options/attn_options.h"

#include <functional>

#include "cli/options/attn_choices.h"
#include "cli/options/attn_lists.h"
#include "cli/shell/option_groups.h"

namespace sd::cli {
namespace {

constexpr Range<double> kAlphaRange{0.0, 1.0};

void add_scope_options(CLI::App& app, AttnOptions& options) {
  add_choice(app, "attn-kind", options.kind, attn_kind_choices(),
             "Whose maps: the prompt's own (before control), the\napplied ones (after it), the "
             "source prompt's")
      ->default_str("own");
  const Choices<bool> rows = {{"cond", true}, {"uncond", false}};
  add_choice(app, "attn-rows", options.conditional, rows,
             "Maps of the prompt, or of the negative prompt")
      ->default_str("cond");
  add_parsed(
      app, "attn-steps",
      [&options](const std::string& text) { options.steps = parse_steps("--attn-steps", text); },
      "A:B", "Only these steps, in fractions of all (0:1)");
  add_parsed(
      app, "attn-layers",
      [&options](const std::string& text) { options.parts = parse_parts("--attn-layers", text); },
      "LIST", "Only these parts of the UNet: down,middle,up");
  add_parsed(
      app, "attn-res",
      [&options](const std::string& text) {
        options.resolutions = parse_resolutions("--attn-res", text);
      },
      "LIST", "Only layers of these latent sides: 16,32");
  add_parsed(
      app, "attn-heads",
      [&options](const std::string& text) { options.heads = parse_heads("--attn-heads", text); },
      "LIST", "Only these attention heads: 0-3,6");
}

}  // namespace

void add_attn_look_options(CLI::App& app, AttnOptions& options) {
  add_choice(app, "attn-norm", options.norm, attn_norm_choices(),
             "What is bright. shared: 0 to the largest value of all\nwords, so that words compare; "
             "minmax: each word's own\nminimum to its maximum; fork: 0 to its maximum; token:\n"
             "its share of what a pixel pays to the prompt's tokens,\n0 to 1")
      ->type_name("{shared,minmax,fork,token}")
      ->default_str(name_of(options.norm));
  add_choice(app, "attn-colormap", options.colormap, colormap_choices(),
             "Colours of the maps; turbo and jet lie over the picture\nin grey")
      ->default_str(name_of(options.colormap));
  add_number(app, "attn-alpha", options.alpha, kAlphaRange,
             "How much of an overlay is map, 0 to 1");
}

void add_attn_options(CLI::App& app, AttnOptions& options) {
  add_path(app, "attn", options.dir, "DIR",
           "Write heat maps of each picture's words to DIR/00000\nand on; pictures stay the same");
  add_parsed(
      app, "words",
      [&options](const std::string& text) { options.words = parse_words("--words", text); }, "LIST",
      "Words to draw, such as \"cat,red car,cat#2,@8\" (a word,\na phrase, its second occurrence, "
      "a token; default: all)");
  add_attn_look_options(app, options);
  add_scope_options(app, options);
  app.add_flag("--is_get_attn,--is-get-attn", options.is_get_attn,
               "Write the maps of every step and layer as the fork does");
  add_path(app, "save_attn_dir", options.save_attn_dir, "DIR",
           "Where those go: DIR/crossatt/*.npy, of later batches\nDIR/batch-0001/crossatt and on "
           "(OUTDIR/attn_maps)");
}

}  // namespace sd::cli
