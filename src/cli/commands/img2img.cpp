#include <memory>

#include "cli/commands/commands.h"
#include "cli/commands/show_plan.h"
#include "cli/parser/draw_parser.h"
#include "cli/tasks/draw_command.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kImg2imgDescription = R"(Draws a prompt over a picture, or over a part of it.
It is the fork's editimg.py too: 'sd editimg' is another name of it.

Examples:
  sd img2img --init-img sketch.png --prompt "a fantasy landscape" --strength 0.8
  sd img2img --init-img small.png --H 1024 --W 1024 --strength 0.4 --prompt "a castle"
  sd img2img --init-img room.png --init-mask window.png --mask-blur 8 --prompt "a snowy window"
  sd img2img --init-img cat.png --prompt "a red cat" --reweight "red=2"
  sd img2img --ckpt instruct-pix2pix.safetensors --init-img cat.png --prompt "make it snow")";

void require_picture(const DrawOptions& options) {
  if (!options.input.init_img) {
    throw UsageError("--init-img: name the picture to start from");
  }
}

DrawCommand make_img2img(CLI::App& app) {
  auto* parser = app.add_subcommand("img2img", kImg2imgDescription)->group("Commands");
  parser->alias("editimg");
  parser->footer(kDrawFooter);
  auto options = std::make_shared<DrawOptions>();
  options->task = DrawTask::kImg2Img;
  options->default_outdir = "outputs/img2img-samples";  // the original's defaults from here on
  options->n_samples = 2;
  options->n_iter = 1;
  options->guidance_scale = 5.0;
  add_draw_options(*parser, *options, kImg2ImgCommand);
  return {parser, options, require_picture};
}

}  // namespace

Command add_img2img(CLI::App& app) {
  const auto command = make_img2img(app);
  return {command.parser,
          [command] {
            return command.options->swap.dry_run ? show_plan(command)
                                                 : draw_pictures(command, make_img2img);
          },
          command.typed};
}

}  // namespace sd::cli
