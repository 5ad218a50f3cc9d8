#pragma once

#include "cli/options/draw_options.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// The options that all drawing commands share, worded for options.task; `options` must outlive
/// `app`'s parsing.
void add_draw_options(CLI::App& app, DrawOptions& options);

/// `--init-img`, `--strength` and what belongs to masks.
void add_input_options(CLI::App& app, PictureInput& input);

}  // namespace sd::cli
