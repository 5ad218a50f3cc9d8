#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "cli/options/draw_options.h"
#include "cli/parser/typed_names.h"
#include "cli/plan/plan_context.h"

namespace sd::cli {

/// A command that draws, its options not yet checked.
struct DrawCommand {
  CLI::App* parser = nullptr;
  std::shared_ptr<DrawOptions> options;             // lives as long as the parser's callbacks
  std::function<void(const DrawOptions&)> check{};  // what this command alone asks of them
  // How its options were spelled, once they are parsed.
  std::shared_ptr<TypedNames> typed = std::make_shared<TypedNames>();
};

/// Adds such a command to a parser; called again for each task, whose options are parsed anew.
using MakeDrawCommand = DrawCommand (*)(CLI::App&);

/// The context of the plans of a process, whose notices are printed unless it is `quiet`.
PlanContext plan_context(bool quiet);

/// Draws what the parsed command asks for: one run, the tasks of a list, or a grid over options.
/// Returns the exit code; may throw.
int draw_pictures(const DrawCommand& command, MakeDrawCommand make);

}  // namespace sd::cli
