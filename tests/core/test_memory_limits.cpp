#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "core/memory_failure.h"
#include "core/memory_limits.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;

/// A made-up /proc and /sys.
class ControlGroups : public ::testing::Test {
 protected:
  void write(std::string_view path, std::string_view text) {
    fs::create_directories((folder_ / path).parent_path());
    test::write_text(folder_ / path, text);
  }
  /// Version 2, mounted as usual.
  void use_second(std::string_view group, std::string_view shown = "/") {
    write("proc/self/cgroup", "0::" + std::string(group) + "\n");
    write("proc/self/mountinfo", "22 1 0:20 / /proc rw - proc proc rw\n30 22 0:26 " +
                                     std::string(shown) +
                                     " /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  }
  void use_first(std::string_view group, std::string_view shown = "/") {
    write("proc/self/cgroup",
          "5:cpu,cpuacct:/x\n4:memory:" + std::string(group) + "\n0::/unified\n");
    write("proc/self/mountinfo",
          "31 22 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
          "36 22 0:31 " +
              std::string(shown) + " /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  }
  std::vector<MemoryLimit> limits() const { return control_group_limits(folder_.path()); }
  MemoryLimit narrowest_limit() const {
    return narrowest(limits()).value_or(MemoryLimit{MemoryLimit::Kind::kResident, "none", -1});
  }

  test::TempFolder folder_;
};

TEST_F(ControlGroups, WithoutThemThereIsNoLimit) { EXPECT_TRUE(limits().empty()); }

TEST_F(ControlGroups, MaxIsNoLimit) {
  use_second("/a");
  write("sys/fs/cgroup/a/memory.max", "max\n");
  EXPECT_TRUE(limits().empty());
}

TEST_F(ControlGroups, TheOwnGroupsLimitIsNamed) {
  use_second("/user/job");
  write("sys/fs/cgroup/user/job/memory.max", "500\n");
  write("sys/fs/cgroup/user/job/memory.current", "300\n");
  const auto limit = narrowest_limit();
  EXPECT_EQ(limit.bytes, 500);
  EXPECT_EQ(limit.left(), 200);
  EXPECT_NE(limit.by.find("memory.max of the control group"), std::string::npos) << limit.by;
  EXPECT_NE(limit.by.find("user/job"), std::string::npos) << limit.by;
}

TEST_F(ControlGroups, AGroupAroundItMayAllowLess) {
  use_second("/outer/middle/inner");
  write("sys/fs/cgroup/outer/memory.max", "100\n");
  write("sys/fs/cgroup/outer/middle/inner/memory.max", "900\n");
  EXPECT_EQ(limits().size(), 2u);
  EXPECT_EQ(narrowest_limit().bytes, 100);
}

TEST_F(ControlGroups, MemoryHighThrottlesAndDoesNotKill) {
  use_second("/a");
  write("sys/fs/cgroup/a/memory.max", "900\n");
  write("sys/fs/cgroup/a/memory.high", "100\n");
  const auto limit = narrowest_limit();
  EXPECT_EQ(limit.bytes, 100);
  EXPECT_EQ(limit.kind, MemoryLimit::Kind::kThrottled);
}

TEST_F(ControlGroups, PagesOfFilesCanBeDropped) {
  use_second("/a");
  write("sys/fs/cgroup/a/memory.max", "500\n");
  write("sys/fs/cgroup/a/memory.current", "400\n");
  write("sys/fs/cgroup/a/memory.stat", "anon 100\ninactive_file 200\nactive_file 50\n");
  EXPECT_EQ(narrowest_limit().used, 150);
}

TEST_F(ControlGroups, AContainerSeesItsGroupAsTheTop) {
  use_second("/");  // with a namespace of its own
  write("sys/fs/cgroup/memory.max", "700\n");
  EXPECT_EQ(narrowest_limit().bytes, 700);
}

TEST_F(ControlGroups, AContainerWithoutANamespaceKnowsTheHostsName) {
  use_second("/docker/abc/job", "/docker/abc");
  write("sys/fs/cgroup/memory.max", "700\n");
  write("sys/fs/cgroup/job/memory.max", "600\n");
  EXPECT_EQ(narrowest_limit().bytes, 600);
}

TEST_F(ControlGroups, AGroupThatIsNotSeenLeavesTheTop) {
  use_second("/../elsewhere");
  write("sys/fs/cgroup/memory.max", "700\n");
  EXPECT_EQ(narrowest_limit().bytes, 700);
}

TEST_F(ControlGroups, SwapIsWhatBothTheGroupAndTheMachineHave) {
  use_second("/a");
  write("sys/fs/cgroup/a/memory.max", "500\n");
  write("sys/fs/cgroup/a/memory.swap.max", "4096\n");
  write("proc/meminfo", "MemTotal: 9 kB\nSwapFree:         2 kB\n");
  EXPECT_EQ(narrowest_limit().swap, 2048);
}

TEST_F(ControlGroups, TheFirstVersionIsReadToo) {
  use_first("/slurm/job_1");
  write("sys/fs/cgroup/memory/slurm/job_1/memory.limit_in_bytes", "800\n");
  write("sys/fs/cgroup/memory/slurm/job_1/memory.usage_in_bytes", "300\n");
  const auto limit = narrowest_limit();
  EXPECT_EQ(limit.bytes, 800);
  EXPECT_EQ(limit.used, 300);
}

TEST_F(ControlGroups, TheFirstVersionsGreatestNumberIsNoLimit) {
  use_first("/a");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_TRUE(limits().empty());
}

TEST_F(ControlGroups, TheFirstVersionTellsOfGroupsThatAreNotSeen) {
  use_first("/docker/abc", "/docker/abc");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/memory.stat", "cache 1\nhierarchical_memory_limit 4000\n");
  EXPECT_EQ(narrowest_limit().bytes, 4000);
}

TEST(TellsOfMemory, KnowsTheWordsOfLibraries) {
  EXPECT_TRUE(tells_of_memory("could not create a primitive"));
  EXPECT_TRUE(tells_of_memory("DefaultCPUAllocator: can't allocate memory"));
  EXPECT_TRUE(tells_of_memory("libtorch_cpu.so: failed to map segment from shared object"));
  EXPECT_FALSE(tells_of_memory("no such file"));
}

}  // namespace
}  // namespace sd
