#include "cli/draw.h"
#include "cli/engine.h"
#include "cli/json_lines.h"
#include "cli/text_output.h"

namespace sd::cli {
namespace {

int draw_command(const DrawOptions& options) {
  std::string message;
  const int code =
      run_caught([&] { return static_cast<int>(run_draw(options)); }, options.verbose > 0, message);
  if (!message.empty()) report_error(message, code, options.json);
  return code;
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

/// What `sd` looks up. The number goes up when Engine or DrawOptions change shape, so that
/// halves of two builds are not mixed.
extern "C" __attribute__((visibility("default"))) const sd::cli::Engine* sd_engine_v11() {
  return &sd::cli::kEngine;
}
