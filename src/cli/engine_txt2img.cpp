#include "cli/draw.h"
#include "cli/engine.h"
#include "cli/text_output.h"

namespace sd::cli {
namespace {

int txt2img_command(const Txt2ImgOptions& options) {
  return run_guarded([&] { return static_cast<int>(run_txt2img(options)); }, options.verbose > 0);
}

constexpr Engine kEngine{txt2img_command};

}  // namespace
}  // namespace sd::cli

/// What `sd` looks up. The number goes up when Engine or Txt2ImgOptions change shape, so that
/// halves of two builds are not mixed.
extern "C" __attribute__((visibility("default"))) const sd::cli::Engine* sd_engine_v2() {
  return &sd::cli::kEngine;
}
