#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "cli/parser/typed_names.h"

namespace sd::cli {

/// A subcommand: its parser and what runs it once its options are parsed. Returns the exit code;
/// may throw.
struct Command {
  CLI::App* parser = nullptr;
  std::function<int()> run;
  std::shared_ptr<TypedNames> typed{};  // where `run` wants to know how options were spelled
};

Command add_txt2img(CLI::App& app);
Command add_img2img(CLI::App& app);
Command add_swap(CLI::App& app);
Command add_attn(CLI::App& app);
Command add_invert(CLI::App& app);
Command add_info(CLI::App& app);
Command add_samplers(CLI::App& app);
Command add_convert(CLI::App& app);
Command add_preprocess(CLI::App& app);
Command add_bench(CLI::App& app);
// These read the options of `app`, which must outlive their running.
Command add_doctor(CLI::App& app);
Command add_completion(CLI::App& app);
Command add_man(CLI::App& app);
Command add_version(CLI::App& app);
/// The last one: it knows the commands before it.
Command add_help(CLI::App& app);

/// What stands under the help of every command that draws.
inline constexpr const char* kDrawFooter =
    R"(Pictures are written to OUTDIR/samples/00000.png and on, a grid of all to OUTDIR/grid-0000.png;
nothing is overwritten. Their paths are printed on stdout. Names of options may be written with
dashes or underscores.

Exit codes: 0 done, 1 failed, 2 wrong options, 3 part of --from-file failed, 4 checkpoint,
5 reading or writing, 6 out of memory, 130 interrupted.)";

}  // namespace sd::cli
