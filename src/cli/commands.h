#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/txt2img_options.h"

namespace sd::cli {

/// A subcommand: its parser and what runs it once its options are parsed. Returns the exit code;
/// may throw.
struct Command {
  CLI::App* parser = nullptr;
  std::function<int()> run;
};

Command add_txt2img(CLI::App& app);
Command add_info(CLI::App& app);
Command add_attn(CLI::App& app);

/// The options of `sd txt2img`, which must outlive `app`'s parsing.
void add_txt2img_options(CLI::App& app, Txt2ImgOptions& options);

/// Checks what needs no model: sizes, the sampler's options, contradictions, that given files are
/// there. Fills in `dtype` from `precision`. Throws UsageError, or IoError for a missing file.
void check(Txt2ImgOptions& options);

}  // namespace sd::cli
