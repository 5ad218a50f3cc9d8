#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/cpu_topology.h"
#include "core/fma_limit.h"
#include "sd/core/compute.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using Kind = DeviceChoice::Kind;

void make_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  test::write_text(path, text);
}

TEST(ParseDevice, KnowsItsSpellings) {
  EXPECT_EQ(parse_device("auto").kind, Kind::kAuto);
  EXPECT_EQ(parse_device("cpu").kind, Kind::kCpu);
  EXPECT_EQ(parse_device("cuda").kind, Kind::kCuda);
  EXPECT_EQ(parse_device("cuda").index, std::nullopt);
  EXPECT_EQ(parse_device("cuda:1").kind, Kind::kCuda);
  EXPECT_EQ(parse_device("cuda:1").index, 1);
}

TEST(ParseDevice, RejectsEverythingElse) {
  for (const char* text :
       {"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:1x", "cuda: 1", "cuda:+1", "cuda:128",
        "cuda:99999999999999999999", "cuda1", " cpu", "mps"}) {
    test::expect_error<UsageError>([&] { parse_device(text); }, std::string("'") + text + "'",
                                   "cuda:N");
  }
}

TEST(ParseDevices, ReadsSeveralGpus) {
  const std::vector<DeviceChoice> two = {{Kind::kCuda, 0}, {Kind::kCuda, 1}};
  EXPECT_EQ(parse_devices("cuda:0,1"), two);
  EXPECT_EQ(parse_devices("cuda:0,cuda:1"), two);
  EXPECT_EQ(parse_devices("cuda:3,0").front(), (DeviceChoice{Kind::kCuda, 3}));
  EXPECT_EQ(parse_devices("auto"), std::vector{DeviceChoice{}});
}

TEST(ParseDevices, RefusesMixturesAndRepetitions) {
  for (const char* text : {"cuda,cuda:1", "cuda:0,", ",cuda:0", "cpu,cuda:0", "cuda:0,cpu", "0,1",
                           "cuda:0,,1", "cuda:0, 1", "cuda:0,1x", "auto,cuda:1"}) {
    test::expect_error<UsageError>([&] { parse_devices(text); }, std::string("'") + text + "'",
                                   "cuda:0,1");
  }
  test::expect_error<UsageError>([] { parse_devices("cuda:1,0,cuda:1"); }, "cuda:1 twice");
}

TEST(DeviceText, IsWhatParseDeviceTakes) {
  for (const char* text : {"auto", "cpu", "cuda", "cuda:0", "cuda:7"})
    EXPECT_EQ(device_text(parse_device(text)), text);
}

TEST(CpuHasBf16, AgreesWithTheKernel) {
  // The kernel lists a feature only where it saves the registers, as cpu_has_bf16() demands too.
  std::ifstream file("/proc/cpuinfo");
  bool listed = false;
  for (std::string word; file >> word;) {
    listed = listed || word == "avx512_bf16" || word == "amx_bf16" || word == "avx_ne_convert";
  }
  EXPECT_EQ(cpu_has_bf16(), listed);
}

TEST(PhysicalCores, IsBetweenOneAndTheLogicalCpus) {
  EXPECT_GE(physical_cores(), 1);
  EXPECT_LE(physical_cores(), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(CountCores, ThreadsOfOneCoreCountOnce) {
  const test::TempFolder root;
  for (const auto& [cpu, siblings] :
       {std::pair{0, "0,2\n"}, {1, "1,3\n"}, {2, "0,2\n"}, {3, "1,3\n"}}) {
    make_file((root / ("cpu" + std::to_string(cpu))) / "topology/thread_siblings_list", siblings);
  }
  EXPECT_EQ(count_cores(root.path(), {0, 1, 2, 3}), 2);
  EXPECT_EQ(count_cores(root.path(), {0, 2}), 1);
  EXPECT_EQ(count_cores(root.path(), {2, 3}), 2);
}

TEST(CountCores, WithoutTopologyEveryCpuIsACore) {
  EXPECT_EQ(count_cores("/no/such/folder", {0, 1, 5}), 3);
  EXPECT_EQ(count_cores("/no/such/folder", {}), 0);
}

TEST(CgroupCpuLimit, TightestOfGroupAndAncestorsCounts) {
  const test::TempFolder root;
  make_file(root / "a/b/cpu.max", "max 100000\n");
  make_file(root / "a/cpu.max", "150000 100000\n");
  make_file(root / "cpu.max", "800000 100000\n");
  EXPECT_EQ(cgroup_cpu_limit(root.path(), "0::/a/b\n"), 2);
  EXPECT_EQ(cgroup_cpu_limit(root.path(), "0::/\n"), 8);
}

TEST(CgroupCpuLimit, LessThanOneCpuCountsAsOne) {
  const test::TempFolder root;
  make_file(root / "cpu.max", "5000 100000\n");
  EXPECT_EQ(cgroup_cpu_limit(root.path(), "0::/\n"), 1);
}

TEST(CgroupCpuLimit, ReadsVersionOne) {
  const test::TempFolder root;
  make_file(root / "cpu/job/cpu.cfs_quota_us", "300000\n");
  make_file(root / "cpu/job/cpu.cfs_period_us", "100000\n");
  make_file(root / "cpu/cpu.cfs_quota_us", "-1\n");
  make_file(root / "cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpu_limit(root.path(), "12:memory:/other\n4:cpu,cpuacct:/job\n"), 3);
}

TEST(CgroupCpuLimit, NoQuotaAndNonsenseAreNoLimit) {
  const test::TempFolder root;
  EXPECT_EQ(cgroup_cpu_limit(root.path(), "0::/a\n"), std::nullopt);
  for (const char* text :
       {"", "max 100000", "0 100000", "100000 0", "-5 100000", "x y", "100000"}) {
    make_file(root / "cpu.max", text);
    EXPECT_EQ(cgroup_cpu_limit(root.path(), "0::/\n"), std::nullopt) << text;
  }
  for (const char* groups : {"", "nonsense", "0:", "::::", "0::../../..\n"}) {
    EXPECT_EQ(cgroup_cpu_limit(root.path(), groups), std::nullopt) << groups;
  }
}

TEST(FmaLimit, IsMeasuredWithTheWidestVectors) {
  const auto limit = measure_fma_limit(FmaType::kF32, 2, 1e-4);
  ASSERT_TRUE(limit);
  EXPECT_GT(limit->gflops, 0);
#if defined(__x86_64__)
  EXPECT_EQ(limit->by == "AVX-512", __builtin_cpu_supports("avx512f") != 0);
#endif
}

TEST(FmaLimit, OfBf16IsThereWhereItsInstructionsAre) {
  const auto limit = measure_fma_limit(FmaType::kBF16, 1, 1e-4);
#if defined(__x86_64__)
  EXPECT_EQ(limit.has_value(), __builtin_cpu_supports("avx512bf16") != 0);
#else
  EXPECT_FALSE(limit);
#endif
}

}  // namespace
}  // namespace sd
