#include <memory>
#include <optional>
#include <string>

#include "cli/commands/attn_from_options.h"
#include "cli/commands/commands.h"
#include "cli/commands/show_plan.h"
#include "cli/parser/draw_parser.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "cli/tasks/draw_command.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kAttnDescription = R"(Draws which words the model looks at, and where.

Examples:
  sd attn --prompt "a blue cat on a yellow background"
  sd attn --prompt "a photo of a house on a snowy mountain" --words "snowy,house" --attn-res 16
  sd txt2img --prompt "two cats" --is_get_attn --save_attn_dir maps --n_iter 1
  sd attn --from maps --img outputs/txt2img-samples/grid-0000.png --res 1 --token_idx 2
  sd attn --compose outputs/attn-samples --token_idx 2)";

constexpr const char* kAttnFooter =
    R"(Draws as 'sd txt2img' does, one picture unless told otherwise, and writes its maps to
OUTDIR/attn/00000: words/, grey/ and masks/ with a picture a word, contact.png with all words, timeline.png (words by
stretches of the run), layers.png (parts of the UNet by words), maps.npy [tokens,h,w] (probabilities
summed over the steps) and index.json with the numbers. A word's map is the mean of its tokens' maps
wherever it occurs.

With --from nothing is drawn anew: the saved maps of --token_idx are summed, divided by their maximum
and written under the fork's names, each sample's in grey and all of them over --img. docs/original.md
shows every command line of the original scripts.)";

struct AttnCommand {
  CLI::App* parser = nullptr;
  DrawOptions draw;
  AttnFilesOptions files;
};

/// What is drawn anew.
void check_anew(const AttnCommand& command) {
  if (draws_from_files(command.files)) {
    throw UsageError("--from and --compose show saved maps and draw nothing anew");
  }
  reject_attn_files_options(*command.parser, command.files);
}

std::shared_ptr<AttnCommand> add_parser(CLI::App& app) {
  auto* parser = app.add_subcommand("attn", kAttnDescription)->group("Commands");
  parser->footer(kAttnFooter);
  auto command = std::make_shared<AttnCommand>();
  command->parser = parser;
  command->draw.default_outdir = "outputs/attn-samples";
  command->draw.attn.always = true;
  command->draw.n_samples = 1;
  command->draw.n_iter = 1;
  add_draw_options(*parser, command->draw, kAttnCommand);
  add_attn_files_options(*parser, command->files, command->draw);
  return command;
}

DrawCommand drawing(const std::shared_ptr<AttnCommand>& command) {
  return {command->parser, std::shared_ptr<DrawOptions>(command, &command->draw),
          [command](const DrawOptions&) { check_anew(*command); }};
}

DrawCommand make_attn(CLI::App& app) { return drawing(add_parser(app)); }

}  // namespace

Command add_attn(CLI::App& app) {
  const auto command = add_parser(app);
  const auto draws = drawing(command);
  return {command->parser,
          [command, draws] {
            if (!draws_from_files(command->files)) {
              return draws.options->swap.dry_run ? show_plan(draws)
                                                 : draw_pictures(draws, make_attn);
            }
            return draw_from_files(*command->parser, command->files, command->draw);
          },
          draws.typed};
}

}  // namespace sd::cli
