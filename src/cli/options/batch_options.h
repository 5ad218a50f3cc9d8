#pragma once

#include <optional>
#include <string>

#include "cli/options/shard.h"

namespace CLI {
class App;
}

namespace sd::cli {

/// Many runs from one call.
struct BatchOptions {
  std::optional<Shard> shard;       // of the tasks; absent: all, or as a launcher says
  bool resume = false;              // leave out what is done
  bool confined = false;            // no path of a task leads out of --outdir
  std::optional<std::string> grid;  // "scale=1.5,5;sampler=ddim,plms"
};

/// Adds `--shard`, `--resume`, `--confined` and `--grid`; `options` must outlive the parsing.
void add_batch_options(CLI::App& app, BatchOptions& options);

}  // namespace sd::cli
