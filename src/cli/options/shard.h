#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sd::cli {

/// One of several processes that divide a list of tasks among themselves, without talking to each
/// other: each takes every count-th.
struct Shard {
  int64_t index = 0;  // from 0
  int64_t count = 1;

  bool takes(int64_t task) const { return task % count == index; }
  /// "2/3", counted from 1, as `--shard` takes it.
  std::string text() const;
};

/// "2/3": the second of three. Throws UsageError.
Shard parse_shard(std::string_view text);

struct LaunchedShard {
  Shard shard;
  std::string launcher;  // "srun", for people
};

/// This process's share by what started it: Open MPI, MPICH and kin (PMI), MVAPICH, Slurm's srun
/// and job arrays (both together count as array tasks of so many processes). Nothing if it was
/// started alone. Throws UsageError naming the variable if the environment contradicts itself.
std::optional<LaunchedShard> launched_shard();

}  // namespace sd::cli
