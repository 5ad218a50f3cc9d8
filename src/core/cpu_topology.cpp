#include "core/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>

namespace sd {
namespace {

namespace fs = std::filesystem;

/// The first line of a file, empty if there is none.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<int64_t> to_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// CPUs that `quota` microseconds in every `period` make; none for "max", -1 and anything that is
/// no number.
std::optional<int> cpus_of_quota(std::string_view quota, std::string_view period) {
  const auto used = to_integer(quota);
  const auto whole = to_integer(period);
  if (!used || !whole || *used <= 0 || *whole <= 0) return std::nullopt;
  const double cpus = std::ceil(static_cast<double>(*used) / static_cast<double>(*whole));
  return static_cast<int>(std::clamp(cpus, 1.0, 1e6));
}

std::optional<int> quota_of_group(const fs::path& group) {
  std::istringstream both(first_line(group / "cpu.max"));  // version 2: "max 100000"
  std::string quota;
  std::string period;
  if (both >> quota >> period) return cpus_of_quota(quota, period);
  return cpus_of_quota(first_line(group / "cpu.cfs_quota_us"),
                       first_line(group / "cpu.cfs_period_us"));
}

/// Whether `controllers` ("cpu,cpuacct") of a line of /proc/self/cgroup names the CPU; empty means
/// version 2.
bool concerns_cpu(const std::string& controllers) {
  if (controllers.empty()) return true;
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

std::vector<int> allowed_cpus() {
  constexpr int kMostCpus = 1 << 20;
  // The kernel refuses sets smaller than its own, whose size nothing tells.
  for (int room = CPU_SETSIZE; room <= kMostCpus; room *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(room);
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(room), [](cpu_set_t* owned) { CPU_FREE(owned); });
    if (!set || ::sched_getaffinity(0, bytes, set.get()) != 0) continue;
    std::vector<int> cpus;
    for (int cpu = 0; cpu < room; ++cpu) {
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set.get())) cpus.push_back(cpu);
    }
    return cpus;
  }
  return {};
}

int count_cores(const fs::path& cpu_root, const std::vector<int>& cpus) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    const std::string name = "cpu" + std::to_string(cpu);
    const std::string siblings = first_line(cpu_root / name / "topology" / "thread_siblings_list");
    cores.insert(siblings.empty() ? name : siblings);
  }
  return static_cast<int>(cores.size());
}

std::optional<int> cgroup_cpu_limit(const fs::path& cgroup_root, const std::string& groups) {
  std::optional<int> limit;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!concerns_cpu(controllers)) continue;
    const fs::path root = controllers.empty() ? cgroup_root : cgroup_root / "cpu";
    fs::path group = fs::path(line.substr(second + 1)).relative_path().lexically_normal();
    while (true) {
      const auto quota = quota_of_group(root / group);
      if (quota) limit = std::min(limit.value_or(*quota), *quota);
      if (group.empty() || group == ".") break;
      group = group.parent_path();
    }
  }
  return limit;
}

}  // namespace sd
