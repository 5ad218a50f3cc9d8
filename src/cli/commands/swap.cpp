#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/commands/show_plan.h"
#include "cli/parser/draw_parser.h"
#include "cli/tasks/draw_command.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr const char* kSwapDescription =
    R"(Draws a source and, beside it from the same start, targets that take their attention from it.

Examples:
  sd swap --sprompt "a cat on a sofa" --prompt "a dog on a sofa"
  sd swap --sprompt "a cat on a sofa" --prompt "a dog on a sofa" --dry-run
  sd swap --mode p2p --sprompt "a house" --prompt "a house in the snow" --cross-steps 0:0.6
  sd swap --mode p2p --sprompt "a cat" --prompt "a dog" --local-blend cat --local-blend dog
  sd swap --mode p2p --sprompt "a moon" --prompt "a house" --cross-box moon
  sd swap --init-img photo.png --strength 0.7 --sprompt "a photo" --prompt "an oil painting"
  sd swap --mode p2p --init-img photo.png --invert direct --sprompt "a cat" --prompt "a dog")";

constexpr const char* kSwapFooter =
    R"(Targets are written to OUTDIR/samples/00000.png and on, their sources under the same numbers to
OUTDIR/source, two grids and a sheet side by side to OUTDIR; nothing is overwritten.

Exit codes: 0 done, 1 failed, 2 wrong options, 3 part of --from-file failed, 4 checkpoint,
5 reading or writing, 6 out of memory, 130 interrupted.)";

/// The original draws its default prompt where none is given. Beside a source that would be a
/// picture that nobody asked for, and a swap of nothing with nothing shows nothing.
void require_target(const SwapOptions& swap) {
  if (!swap.targets.empty()) return;
  if (swap.source) {
    throw UsageError(
        "--sprompt names the source, and there is no target\nName what to draw from it: --prompt "
        "TEXT");
  }
  throw UsageError(
      "swap: there is no prompt\nName the source and the target: --sprompt \"a cat\" --prompt \"a "
      "dog\". The target alone is drawn as txt2img draws it.");
}

void check(const DrawOptions& options) {
  const auto& swap = options.swap;
  if (!options.from_file) require_target(swap);
  const bool sourced = swap.source || options.inversion.file;
  if (swap.is_swap && !sourced && !options.from_file) {
    throw UsageError("--is-swap: name the source with --sprompt");
  }
  if (swap.dry_run && (options.from_file || !sourced)) {
    throw UsageError("--dry-run shows --sprompt beside --prompt: give both, and no --from-file");
  }
}

DrawCommand make_swap(CLI::App& app) {
  auto* parser = app.add_subcommand("swap", kSwapDescription)->group("Commands");
  parser->footer(kSwapFooter);
  auto options = std::make_shared<DrawOptions>();
  options->task = DrawTask::kSwap;
  options->default_outdir = "outputs/swap-samples";  // the fork's defaults from here on
  options->n_samples = 2;
  options->n_iter = 1;
  add_draw_options(*parser, *options, kSwapCommand);
  return {parser, options, check};
}

}  // namespace

Command add_swap(CLI::App& app) {
  const auto command = make_swap(app);
  return {command.parser,
          [command] {
            if (command.options->swap.dry_run) return show_plan(command);
            return draw_pictures(command, make_swap);
          },
          command.typed};
}

}  // namespace sd::cli
