#include "core/memory_limits.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace sd {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNoLimit = int64_t{1} << 60;  // what version 1 writes for "none" is beyond it

std::optional<int64_t> leading_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && value >= 0 ? std::optional(value) : std::nullopt;
}

/// None for "max" and for a file that is not there.
std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream input(file);
  std::string line;
  std::getline(input, line);
  const auto number = leading_number(line);
  return number && *number < kNoLimit ? number : std::nullopt;
}

/// The number behind `key` in a file of lines "key number"; 0 if there is none.
int64_t number_of(const fs::path& file, std::string_view key) {
  std::ifstream input(file);
  for (std::string word; input >> word;) {
    std::string value;
    input >> value;
    if (word == key) return leading_number(value).value_or(0);
    std::getline(input, value);
  }
  return 0;
}

/// Where a hierarchy of groups is mounted.
struct Mount {
  fs::path root;   // the group that the mount point shows
  fs::path point;  // with `root` of the caller before it
};

/// Blanks and the like in the fields of mountinfo are written in octal: "\040" (proc(5)).
std::string unescaped(const std::string& field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    int code = 0;
    const char* digits = field.data() + i + 1;
    if (field[i] == '\\' && i + 3 < field.size() &&
        std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
      text += static_cast<char>(code);
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

/// "36 35 0:31 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory": of version 2, or of
/// version 1 with the controller "memory".
std::optional<Mount> find_mount(const fs::path& root, bool second_version) {
  std::ifstream input(root / "proc/self/mountinfo");
  for (std::string line; std::getline(input, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash)), behind(line.substr(dash + 3));
    std::string skipped, shown, point, type, source, options;
    before >> skipped >> skipped >> skipped >> shown >> point;
    behind >> type >> source >> options;
    const bool wanted =
        second_version
            ? type == "cgroup2"
            : type == "cgroup" && (',' + options + ',').find(",memory,") != std::string::npos;
    if (wanted) return Mount{unescaped(shown), root / fs::path(unescaped(point)).relative_path()};
  }
  return std::nullopt;
}

/// The group of this process: "0::/a" of version 2, "4:memory:/a" of version 1.
std::optional<fs::path> own_group(const fs::path& root, bool second_version) {
  std::ifstream input(root / "proc/self/cgroup");
  for (std::string line; std::getline(input, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = ',' + line.substr(first + 1, second - first - 1) + ',';
    if (second_version ? controllers == ",," : controllers.find(",memory,") != std::string::npos)
      return fs::path(line.substr(second + 1));
  }
  return std::nullopt;
}

/// The folders of a group and of those around it, as far as the mount shows them. A container may
/// see its own group as the mount's top while its name is the host's.
std::vector<fs::path> folders_of(const Mount& mount, const fs::path& group) {
  auto below = group.lexically_relative(mount.root);
  if (below.empty() || *below.begin() == "..") below = ".";
  std::vector<fs::path> folders;
  for (auto folder = below; !folder.empty() && folder != "."; folder = folder.parent_path()) {
    std::error_code ignored;
    if (fs::is_directory(mount.point / folder, ignored)) folders.push_back(mount.point / folder);
  }
  folders.push_back(mount.point);
  return folders;
}

int64_t free_swap(const fs::path& root) {
  return number_of(root / "proc/meminfo", "SwapFree:") * 1024;
}

void add_second(const fs::path& root, std::vector<MemoryLimit>& limits) {
  const auto mount = find_mount(root, true);
  const auto group = own_group(root, true);
  if (!mount || !group) return;
  for (const auto& folder : folders_of(*mount, *group)) {
    for (const auto& [name, kind] : {std::pair{"memory.max", MemoryLimit::Kind::kResident},
                                     {"memory.high", MemoryLimit::Kind::kThrottled}}) {
      const auto most = number_in(folder / name);
      if (!most) continue;
      MemoryLimit limit{kind, fmt::format("{} of the control group {}", name, folder.string()),
                        *most};
      const auto cached = number_of(folder / "memory.stat", "inactive_file") +
                          number_of(folder / "memory.stat", "active_file");
      limit.used = std::max<int64_t>(number_in(folder / "memory.current").value_or(0) - cached, 0);
      limit.swap = free_swap(root);
      if (const auto swap = number_in(folder / "memory.swap.max")) {
        const auto swapped = number_in(folder / "memory.swap.current").value_or(0);
        limit.swap = std::min(limit.swap, std::max<int64_t>(*swap - swapped, 0));
      }
      limits.push_back(std::move(limit));
    }
  }
}

void add_first(const fs::path& root, std::vector<MemoryLimit>& limits) {
  const auto mount = find_mount(root, false);
  const auto group = own_group(root, false);
  if (!mount || !group) return;
  for (const auto& folder : folders_of(*mount, *group)) {
    // The second one counts the groups around it, those that a container does not see too.
    auto most = number_in(folder / "memory.limit_in_bytes");
    const auto around = number_of(folder / "memory.stat", "hierarchical_memory_limit");
    if (around > 0 && around < kNoLimit) most = std::min(most.value_or(around), around);
    if (!most) continue;
    MemoryLimit limit{MemoryLimit::Kind::kResident,
                      fmt::format("memory.limit_in_bytes of the control group {}", folder.string()),
                      *most};
    const auto cached = number_of(folder / "memory.stat", "total_inactive_file") +
                        number_of(folder / "memory.stat", "total_active_file");
    limit.used =
        std::max<int64_t>(number_in(folder / "memory.usage_in_bytes").value_or(0) - cached, 0);
    limit.swap = free_swap(root);
    if (const auto with_swap = number_in(folder / "memory.memsw.limit_in_bytes"))
      limit.swap = std::min(limit.swap, std::max<int64_t>(*with_swap - *most, 0));
    limits.push_back(std::move(limit));
  }
}

/// Pages of address space and of data that the process has: the first and sixth number of
/// /proc/self/statm. Without streams, which want memory.
bool read_pages(int64_t& address_space, int64_t& data) {
  std::array<char, 256> text{};
  const int fd = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const auto size = ::read(fd, text.data(), text.size());
  ::close(fd);
  std::array<int64_t, 6> numbers{};
  const char* at = text.data();
  const char* const end = at + std::max<ssize_t>(size, 0);
  for (auto& number : numbers) {
    while (at < end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return false;
    at = next;
  }
  address_space = numbers[0];
  data = numbers[5];
  return true;
}

/// The current limit of a kind; none if there is none.
std::optional<int64_t> limit_of(__rlimit_resource kind) {
  struct rlimit limit {};
  if (::getrlimit(kind, &limit) != 0 || limit.rlim_cur >= static_cast<rlim_t>(kNoLimit))
    return std::nullopt;
  return static_cast<int64_t>(limit.rlim_cur);
}

}  // namespace

std::vector<MemoryLimit> control_group_limits(const fs::path& root) {
  std::vector<MemoryLimit> limits;
  add_second(root, limits);
  add_first(root, limits);
  return limits;
}

std::vector<MemoryLimit> process_limits() {
  std::vector<MemoryLimit> limits;
  int64_t address_space = 0, data = 0;
  read_pages(address_space, data);
  const auto page = static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
  const auto add = [&](__rlimit_resource kind, const char* by, int64_t pages) {
    if (const auto most = limit_of(kind))
      limits.push_back({MemoryLimit::Kind::kAddressSpace, by, *most, pages * page});
  };
  add(RLIMIT_AS, "ulimit -v", address_space);
  add(RLIMIT_DATA, "ulimit -d", data);
  return limits;
}

std::optional<MemoryLimit> narrowest(const std::vector<MemoryLimit>& limits) {
  const auto least = std::min_element(
      limits.begin(), limits.end(),
      [](const auto& left, const auto& right) { return left.left() < right.left(); });
  return least == limits.end() ? std::nullopt : std::optional(*least);
}

int64_t address_space_limit() noexcept { return limit_of(RLIMIT_AS).value_or(-1); }

bool process_limit_is_reached() {
  constexpr int64_t kNearly = int64_t{192} << 20;  // a thread's stack and its heap, a model's layer
  const auto page = static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
  int64_t address_space = 0, data = 0;
  if (!read_pages(address_space, data)) return false;
  const auto near = [&](__rlimit_resource kind, int64_t pages) {
    const auto most = limit_of(kind);
    return most && *most - pages * page < kNearly;
  };
  return near(RLIMIT_AS, address_space) || near(RLIMIT_DATA, data);
}

}  // namespace sd
