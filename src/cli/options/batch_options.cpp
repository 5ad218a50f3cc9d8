#include "cli/options/batch_options.h"

#include <CLI/CLI.hpp>

#include "cli/shell/option_groups.h"

namespace sd::cli {

void add_batch_options(CLI::App& app, BatchOptions& options) {
  add_parsed(
      app, "shard", [&options](const std::string& text) { options.shard = parse_shard(text); },
      "I/N",
      "Take every N-th task of --from-file, from the I-th on (as\nsrun, job arrays or mpirun say)");
  app.add_flag("--resume", options.resume, "Leave out tasks that are done, by OUTDIR/tasks*.jsonl");
  app.add_flag(
      "--confined", options.confined,
      "Refuse tasks that name paths outside of --outdir: for lists\nfrom strangers (they may "
      "read files beside the list)");
  add_parsed(
      app, "grid", [&options](const std::string& text) { options.grid = text; }, "AXES",
      "Draw a labelled sheet over values of options:\n\"scale=1.5,3,5,8;sampler=ddim,plms\"");
}

}  // namespace sd::cli
