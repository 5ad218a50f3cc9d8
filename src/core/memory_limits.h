#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sd {

/// A bound on the memory of this process.
struct MemoryLimit {
  enum class Kind {
    kResident,     // a control group's: who needs more is killed
    kThrottled,    // a control group's memory.high: who needs more is slowed down
    kAddressSpace  // ulimit's: an allocation beyond it fails
  };
  Kind kind = Kind::kResident;
  std::string by;  // "memory.max of the control group /sys/fs/cgroup/a", "ulimit -v"
  int64_t bytes = 0;
  int64_t used = 0;  // without pages of files that the kernel can drop
  int64_t swap = 0;  // bytes that may go to a swap device beyond `bytes`

  int64_t left() const { return bytes > used ? bytes - used : 0; }
};

/// The memory limits of the control group of this process and of every group around it (versions 1
/// and 2). A container does not show the groups above its own. `root` stands for "/" of /proc and
/// /sys.
std::vector<MemoryLimit> control_group_limits(const std::filesystem::path& root = "/");

/// Limits of the process itself: address space (ulimit -v) and data (ulimit -d), where there are
/// some.
std::vector<MemoryLimit> process_limits();

/// The one of `limits` that leaves least; none if there is none.
std::optional<MemoryLimit> narrowest(const std::vector<MemoryLimit>& limits);

/// Bytes that `ulimit -v` allows; -1 where it sets no limit. Only calls the kernel.
int64_t address_space_limit() noexcept;

/// Whether a limit of the process itself is reached, or nearly. Only calls the kernel, so that
/// whoever ends the process may ask.
bool process_limit_is_reached();

}  // namespace sd
