#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/maps/attn_compose.h"
#include "cli/maps/attn_from.h"
#include "cli/options/draw_options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sd::cli {

/// What `sd attn` draws from files instead of a prompt, as typed.
struct AttnFilesOptions {
  AttnFromOptions from;
  bool is_mid = false;  // the middle, where levels and resolution are not named
  std::optional<std::filesystem::path> compose;
  ComposeChoice expected;          // the counts that the fork's script was told
  std::optional<std::string> res;  // of saved maps, or of the layers under control
};

/// Adds `--from`, `--compose` and what belongs to them, with the fork's names of each; `options`
/// and `draw` must outlive the parsing.
void add_attn_files_options(CLI::App& app, AttnFilesOptions& options, DrawOptions& draw);

/// Whether the command line asks for a drawing from files.
bool draws_from_files(const AttnFilesOptions& options);

/// Throws UsageError for an option of theirs, or a `--res` that names no layers, where neither
/// `--from` nor `--compose` is given.
void reject_attn_files_options(const CLI::App& app, const AttnFilesOptions& options);

/// Draws and prints the paths. Returns the exit code; may throw.
int draw_from_files(const CLI::App& app, const AttnFilesOptions& options, const DrawOptions& draw);

}  // namespace sd::cli
