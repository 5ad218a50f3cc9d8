#include "cli/shell/memory_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>

#include "cli/shell/machine.h"
#include "core/memory_failure.h"

namespace sd::cli {
namespace {

constexpr int64_t kMB = 1'000'000;
constexpr int64_t kSomeMore = 64 * kMB;  // than what just failed

MemoryNeed remembered;  // plain data: it is read where nothing can be allocated

constexpr const char* kSmaller =
    "Less is needed with --low-memory, --dtype bf16, a smaller --H and --W, and --n_samples 1.";

/// What a limit on address space has to be. It was not enough, whatever was estimated.
int64_t address_space_needed(const MemoryNeed& need, const MemoryLimit& limit) {
  const auto seen = std::max(limit.bytes + std::max(limit.bytes / 8, kSomeMore),
                             limit.used + wanted_memory() + kSomeMore);
  return std::max(need.address_space, seen);
}

}  // namespace

void remember_need(const MemoryNeed& need) {
  static std::mutex remembering;  // threads draw side by side
  const std::lock_guard lock(remembering);
  remembered = need;
}

std::string memory_text(int64_t bytes) {
  constexpr int64_t kGB = 1000 * kMB;
  if (bytes < 10 * kGB / 10) return fmt::format("{} MB", (bytes + kMB - 1) / kMB);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / static_cast<double>(kGB));
}

std::string memory_advice(const MemoryNeed& need, const std::vector<MemoryLimit>& limits,
                          int64_t available) {
  std::vector<MemoryLimit> of_process, of_groups;
  for (const auto& limit : limits) {
    (limit.kind == MemoryLimit::Kind::kAddressSpace ? of_process : of_groups).push_back(limit);
  }
  std::string text;
  const auto limit = narrowest(of_process);
  const auto group = narrowest(of_groups);
  if (limit && limit->left() < std::max(need.address_space, available)) {
    const auto needed = address_space_needed(need, *limit);
    constexpr int64_t kUnit = 1024;  // ulimit counts in these
    text = fmt::format(
        "About {} are needed, and {} allows {}. Raise it before the program starts: {} {} (or "
        "unlimited).",
        memory_text(needed), limit->by, memory_text(limit->bytes), limit->by,
        (needed + kUnit - 1) / kUnit);
  } else if (group && group->left() <= available) {
    text = fmt::format(
        "About {} are needed, and {} allows {}, of which {} are left. Raise it (docker run "
        "--memory, MemoryMax= of systemd, --mem of Slurm).",
        memory_text(std::max(need.usual, group->left() + kSomeMore)), group->by,
        memory_text(group->bytes), memory_text(group->left()));
  } else {
    text = fmt::format("About {} are needed, and {} are free. Close other programs.",
                       memory_text(std::max(need.usual, wanted_memory() + kSomeMore)),
                       memory_text(available));
  }
  if (!need.draws) return text;
  if (need.gradients > 0) {
    text += fmt::format(
        "\nOf that {} are for gradients: nothing of it without --excite, --box and null-text "
        "inversion.",
        memory_text(need.gradients));
  }
  return fmt::format("{}\n{}", text, kSmaller);
}

std::string with_memory_advice(std::string message) {
  if (message.find('\n') != std::string::npos) return message;
  return std::move(message) + '\n' + memory_advice();
}

std::string memory_advice() {
  auto limits = process_limits();
  auto groups = control_group_limits();
  std::move(groups.begin(), groups.end(), std::back_inserter(limits));
  return memory_advice(remembered, limits, available_memory());
}

}  // namespace sd::cli
