#include "cli/draw.h"
#include "cli/engine.h"
#include "cli/text_output.h"

namespace sd::cli {
namespace {

int draw_command(const DrawOptions& options) {
  return run_guarded([&] { return static_cast<int>(run_draw(options)); }, options.verbose > 0);
}

constexpr Engine kEngine{draw_command};

}  // namespace
}  // namespace sd::cli

/// What `sd` looks up. The number goes up when Engine or DrawOptions change shape, so that
/// halves of two builds are not mixed.
extern "C" __attribute__((visibility("default"))) const sd::cli::Engine* sd_engine_v9() {
  return &sd::cli::kEngine;
}
