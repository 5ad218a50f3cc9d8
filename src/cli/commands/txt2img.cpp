#include <memory>
#include <string>

#include "cli/commands/commands.h"
#include "cli/commands/show_plan.h"
#include "cli/parser/draw_parser.h"
#include "cli/tasks/draw_command.h"

namespace sd::cli {
namespace {

constexpr const char* kTxt2imgDescription = R"(Draws pictures from a prompt.

Examples:
  sd txt2img --prompt "a red apple on a wooden table" --plms
  sd txt2img --prompt "a castle" --negative-prompt "people" --n_samples 4 --n_iter 1 --seed 7
  sd txt2img --from-file prompts.txt --outdir pictures --skip_grid
  sd txt2img --ckpt v1-5-pruned-emaonly.safetensors --prompt "a fox in the snow" --json)";

DrawCommand make_txt2img(CLI::App& app) {
  auto* parser = app.add_subcommand("txt2img", kTxt2imgDescription)->group("Commands");
  parser->footer(kDrawFooter);
  auto options = std::make_shared<DrawOptions>();
  add_draw_options(*parser, *options, kTxt2ImgCommand);
  return {parser, options};
}

}  // namespace

Command add_txt2img(CLI::App& app) {
  const auto command = make_txt2img(app);
  return {command.parser,
          [command] {
            return command.options->swap.dry_run ? show_plan(command)
                                                 : draw_pictures(command, make_txt2img);
          },
          command.typed};
}

}  // namespace sd::cli
