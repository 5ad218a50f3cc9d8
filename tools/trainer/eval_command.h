#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "sd/core/compute.h"
#include "sd/text/guide_words.h"

namespace sd::cli {

/// Options of the subcommands that train the classifier and measure models with it.
struct EvalOptions {
  std::optional<std::filesystem::path> model, out, classifier, font, init;
  std::string methods;                     // of eval-edit; empty: those of edit_methods()
  std::string kinds;                       // names between commas; empty: all
  DTypeChoice dtype = DTypeChoice::kAuto;  // what the model computes in
  int64_t n = 500;
  int64_t scenes = 200;
  int64_t pairs = 200;
  int64_t pictures = 120'000;
  int64_t boxes = 200;
  int64_t skip = 0;
  GuideWords guides;  // scales and layers
  int64_t threads = 0;
  int64_t seed = 1;
};

/// Adds `classifier`, `eval` and `eval-guides`.
void add_eval_commands(CLI::App& app, EvalOptions& options);

/// Runs one of them. Returns the exit code.
int run_eval_command(const std::string& name, const EvalOptions& options);

}  // namespace sd::cli
