#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sd {

/// Logical CPUs that this process may be scheduled on; empty if the kernel does not say.
std::vector<int> allowed_cpus();

/// How many physical cores `cpus` belong to, by `topology/thread_siblings_list` of the CPUs'
/// folders under `cpu_root` (/sys/devices/system/cpu). A CPU whose file is missing counts as a core
/// of its own.
int count_cores(const std::filesystem::path& cpu_root, const std::vector<int>& cpus);

/// How many CPUs the control group's quota pays for, rounded up; none without a quota. `groups` is
/// the text of /proc/self/cgroup, `cgroup_root` is /sys/fs/cgroup. Understands versions 1 and 2;
/// the tightest of a group and its ancestors counts.
std::optional<int> cgroup_cpu_limit(const std::filesystem::path& cgroup_root,
                                    const std::string& groups);

}  // namespace sd
