#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "cli/attn_from.h"
#include "cli/attn_lists.h"
#include "cli/attn_options.h"
#include "cli/commands.h"
#include "cli/control_options.h"
#include "cli/draw_command.h"
#include "cli/json_lines.h"
#include "cli/option_groups.h"
#include "cli/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kDescription = R"(Draws which words the model looks at, and where.

Examples:
  sd attn --prompt "a blue cat on a yellow background"
  sd attn --prompt "a photo of a house on a snowy mountain" --words "snowy,house" --attn-res 16
  sd txt2img --prompt "two cats" --is_get_attn --save_attn_dir maps --n_iter 1
  sd attn --from maps --img outputs/txt2img-samples/grid-0000.png --res 16 --token_idx 2)";

constexpr const char* kFooter =
    R"(Draws as 'sd txt2img' does, one picture unless told otherwise, and writes its maps to
OUTDIR/attn/00000: words/, grey/ and masks/ with a picture a word, contact.png with all words, timeline.png (words by
stretches of the run), layers.png (parts of the UNet by words), maps.npy [tokens,h,w] (probabilities
summed over the steps) and index.json with the numbers. A word's map is the mean of its tokens' maps
wherever it occurs.
With --from nothing is drawn anew: the saved maps of --token_idx are summed and laid over --img.)";

struct AttnCommand {
  CLI::App* parser = nullptr;
  DrawOptions draw;
  AttnFromOptions from;
  std::optional<std::string> res;  // of saved maps, or of the layers under control
  CLI::Option* norm = nullptr;
  CLI::Option* colormap = nullptr;
  CLI::Option* alpha = nullptr;
};

/// Without these the command line looks as the fork's.
constexpr double kForkAlpha = 0.7;
constexpr Range<int64_t> kLevelRange{0, 2};
constexpr Range<int64_t> kTimeRange{0, 999};
constexpr Range<int64_t> kResolutionRange{0, 1024};  // 0: the only one
constexpr Range<int64_t> kTokenRange{0, 4095};

void add_from_options(CLI::App& app, AttnFromOptions& from) {
  app.option_defaults()->group("From saved maps");
  const auto add_file = [&app](const std::string& names, std::optional<std::filesystem::path>& path,
                               const std::string& type, const std::string& help) {
    app.add_option_function<std::string>(
           names, [&path](const std::string& text) { path = text; }, help)
        ->type_name(type);
  };
  add_file("--from,--root", from.from, "DIR",
           "Draw from maps that --is_get_attn or the fork saved");
  add_file("--img,--img_path,--img-path", from.image, "FILE", "The picture or grid of those maps");
  auto& choice = from.choice;
  add_whole(app, "slevel", choice.first_level, kLevelRange, "First level: 0 down, 1 middle, 2 up");
  add_whole(app, "elevel", choice.last_level, kLevelRange, "Last level");
  add_whole(app, "stime", choice.first_time, kTimeRange, "First recorded timestep, from 0");
  add_whole(app, "etime", choice.last_time, kTimeRange, "Last one (all)");
  add_whole(app, "token_idx", choice.token, kTokenRange, "Token, counted from 0, the start");
  app.add_flag("--is_mid,--is-mid", from.is_mid, "As --slevel 1 --elevel 1 --res 0");
}

int run_from(AttnCommand& command) {
  if (command.res)
    command.from.choice.resolution = parse_whole("--res", *command.res, kResolutionRange);
  auto look = command.draw.attn;
  if (command.norm->count() == 0) look.norm = AttnNorm::kFork;
  if (command.colormap->count() == 0) look.colormap = Colormap::kGrey;
  if (command.alpha->count() == 0) look.alpha = kForkAlpha;
  if (look.norm == AttnNorm::kToken || look.norm == AttnNorm::kAbsolute) {
    throw UsageError("--attn-norm: of one token's maps only fork and minmax can be drawn");
  }
  const auto path = draw_from(command.from, look, command.draw.outdir);
  StandardOutput().line(
      command.draw.json ? json_line_of("attention", {{"path", path.string()}, {"picture", nullptr}})
                        : path.string());
  return static_cast<int>(ExitCode::kDone);
}

/// What is drawn anew.
void settle(const AttnCommand& command, DrawOptions& options) {
  if (command.from.from) throw UsageError("--from shows saved maps and draws nothing anew");
  if (command.from.image) throw UsageError("--img belongs to --from DIR");
  if (command.res) options.control.resolutions = parse_resolutions("--res", *command.res);
}

std::shared_ptr<AttnCommand> add_parser(CLI::App& app) {
  auto* parser = app.add_subcommand("attn", kDescription)->group("Commands");
  parser->footer(kFooter);
  auto command = std::make_shared<AttnCommand>();
  command->parser = parser;
  command->draw.outdir = "outputs/attn-samples";
  command->draw.attn.always = true;
  command->draw.n_samples = 1;
  command->draw.n_iter = 1;
  add_draw_options(*parser, command->draw);
  parser->option_defaults()->group("Attention control");
  add_scope_options_but_res(*parser, command->draw.control);
  add_from_options(*parser, command->from);
  add_parsed(
      *parser, "res", [&res = command->res](const std::string& text) { res = text; }, "N",
      "Resolution of the layers (0: the only one); without\n--from, control only such layers: "
      "16,32");
  command->norm = parser->get_option("--attn-norm");
  command->colormap = parser->get_option("--attn-colormap");
  command->alpha = parser->get_option("--attn-alpha");
  return command;
}

DrawCommand drawing(const std::shared_ptr<AttnCommand>& command) {
  return {command->parser, std::shared_ptr<DrawOptions>(command, &command->draw),
          [command](DrawOptions& options) { settle(*command, options); }};
}

DrawCommand make(CLI::App& app) { return drawing(add_parser(app)); }

}  // namespace

Command add_attn(CLI::App& app) {
  const auto command = add_parser(app);
  return {command->parser, [command] {
            return command->from.from ? run_from(*command) : draw_pictures(drawing(command), make);
          }};
}

}  // namespace sd::cli
