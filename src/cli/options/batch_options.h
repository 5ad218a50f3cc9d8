#pragma once

#include <optional>
#include <string>

#include "cli/options/shard.h"

namespace sd::cli {

/// Many runs from one call.
struct BatchOptions {
  std::optional<Shard> shard;       // of the tasks; absent: all, or as a launcher says
  bool resume = false;              // leave out what is done
  bool confined = false;            // no path of a task leads out of --outdir
  std::optional<std::string> grid;  // "scale=1.5,5;sampler=ddim,plms"
};

}  // namespace sd::cli
