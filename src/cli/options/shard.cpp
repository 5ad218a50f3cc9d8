#include "cli/options/shard.h"

#include <fmt/format.h>

#include "core/launchers.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

constexpr int64_t kMaxShards = 1'000'000;

std::optional<int64_t> variable(const char* name, int64_t least) {
  return launcher_variable(
      name, least,
      "It should say which part of the tasks is this process's; --shard I/N says it too.");
}

std::optional<Shard> shard_by(const Launcher& launcher) {
  const auto size = variable(launcher.size, 1);
  const auto rank = variable(launcher.rank, 0);
  if (!size || !rank || *size == 1) return std::nullopt;
  if (*rank >= *size) {
    throw UsageError(
        fmt::format("{}={} is not below {}={}", launcher.rank, *rank, launcher.size, *size));
  }
  return Shard{*rank, *size};
}

/// A job array's tasks may have any numbers, equally far apart.
std::optional<Shard> array_shard() {
  const auto count = variable("SLURM_ARRAY_TASK_COUNT", 1);
  const auto number = variable("SLURM_ARRAY_TASK_ID", 0);
  const auto least = variable("SLURM_ARRAY_TASK_MIN", 0);
  if (!count || !number || !least || *count == 1) return std::nullopt;
  const int64_t step = variable("SLURM_ARRAY_TASK_STEP", 1).value_or(1);
  const int64_t index = (*number - *least) / step;
  if (*number < *least || (*number - *least) % step != 0 || index >= *count) {
    throw UsageError(
        fmt::format("SLURM_ARRAY_TASK_ID={} does not follow from {} tasks, {} apart, from {} "
                    "on\nUse --shard I/N "
                    "with an array whose numbers have gaps.",
                    *number, *count, step, *least));
  }
  return Shard{index, *count};
}

}  // namespace

std::string Shard::text() const { return fmt::format("{}/{}", index + 1, count); }

Shard parse_shard(std::string_view text) {
  const auto slash = text.find('/');
  const auto index = whole_number(text.substr(0, slash));
  const auto count =
      slash == std::string_view::npos ? std::nullopt : whole_number(text.substr(slash + 1));
  if (!index || !count) {
    throw UsageError(
        fmt::format("--shard: '{}' is not I/N, such as 2/3 for the second of three", text));
  }
  if (*count < 1 || *count > kMaxShards || *index < 1 || *index > *count) {
    throw UsageError(
        fmt::format("--shard: {} is out of range, expected I/N with I from 1 to N, N at "
                    "most {}",
                    text, kMaxShards));
  }
  return {*index - 1, *count};
}

std::optional<LaunchedShard> launched_shard() {
  std::optional<LaunchedShard> found;
  for (const auto& launcher : kLaunchers) {
    if (found) break;
    if (const auto shard = shard_by(launcher)) found = {*shard, launcher.name};
  }
  const auto array = array_shard();
  if (!array) return found;
  if (!found) return LaunchedShard{*array, "a job array"};
  const auto inner = found->shard;
  return LaunchedShard{{array->index * inner.count + inner.index, array->count * inner.count},
                       found->launcher + " in a job array"};
}

}  // namespace sd::cli
