#pragma once

#include <string_view>

#include "cli/options/draw_options.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// Adds `--reweight` and `--reweight-steps`.
void add_reweight_options(CLI::App& app, ControlOptions& options);

/// Adds `--layers`, `--heads` and `--rows`, which restrict any control, and `--res` with them.
void add_scope_options(CLI::App& app, ControlOptions& options);
/// The same without `--res`, which `sd attn` has another meaning for beside this one.
void add_scope_options_but_res(CLI::App& app, ControlOptions& options);

/// "snowy=-2,1,5". Throws UsageError.
WordWeight parse_word_weight(std::string_view text);

/// "0:0.8" for all words, "cat=0:0.4" for one. Throws UsageError.
WordSteps parse_word_steps(std::string_view option, std::string_view text);

}  // namespace sd::cli
