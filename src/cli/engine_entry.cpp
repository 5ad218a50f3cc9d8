#include "cli/draw.h"
#include "cli/engine.h"
#include "cli/text_output.h"
#include "engine_entry_name.h"

namespace sd::cli {
namespace {

int draw_command(const DrawOptions& options) {
  return run_guarded([&] { return static_cast<int>(run_draw(options)); }, options.verbose > 0);
}

void draw_task_command(const DrawOptions& options, DrawOutcome& outcome) {
  // Never destroyed: LibTorch's own statics may be gone before it.
  static auto& session = *new DrawSession();
  outcome.code = run_caught([&] { return static_cast<int>(session.draw(options, outcome)); },
                            options.verbose > 0, outcome.error);
}

constexpr Engine kEngine{draw_command, draw_task_command};

}  // namespace
}  // namespace sd::cli

/// What `sd` looks up. The build makes the name (cmake/SdEngineEntry.cmake), so that halves which
/// know Engine or DrawOptions in different shapes are not mixed.
extern "C" __attribute__((visibility("default"))) const sd::cli::Engine* SD_ENGINE_ENTRY() {
  return &sd::cli::kEngine;
}
