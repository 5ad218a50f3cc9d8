#include "sd/core/compute.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/cpu_topology.h"
#include "sd/core/error.h"

namespace sd {
namespace {

#if defined(__x86_64__)
/// XCR0: which registers the operating system saves on a task switch; a CPU feature without it is
/// unusable.
uint64_t saved_registers() {
  uint32_t eax = 0;
  uint32_t edx = 0;
  asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return static_cast<uint64_t>(edx) << 32 | eax;
}
#endif

}  // namespace

DeviceChoice parse_device(const std::string& text) {
  using Kind = DeviceChoice::Kind;
  if (text == "auto") return {Kind::kAuto, 0};
  if (text == "cpu") return {Kind::kCpu, 0};
  if (text == "cuda") return {Kind::kCuda, 0};
  constexpr std::string_view kPrefix = "cuda:";
  if (text.starts_with(kPrefix)) {
    constexpr int kMaxIndex = 127;  // LibTorch keeps the index in 8 bits
    int index = -1;
    const char* begin = text.data() + kPrefix.size();
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(begin, end, index);
    if (error == std::errc() && stop == end && index >= 0 && index <= kMaxIndex) {
      return {Kind::kCuda, index};
    }
  }
  throw UsageError(
      fmt::format("device '{}' is unknown: expected auto, cpu, cuda or cuda:N (N from 0)", text));
}

bool cpu_has_bf16() {
#if defined(__x86_64__)
  // Intel SDM volume 2A, CPUID; volume 1, 13.3 for the bits of XCR0.
  constexpr uint32_t kOsxsave = 1U << 27;      // leaf 1, ECX
  constexpr uint32_t kAmxBf16 = 1U << 22;      // leaf 7.0, EDX
  constexpr uint32_t kAvx512Bf16 = 1U << 5;    // leaf 7.1, EAX
  constexpr uint32_t kAvxNeConvert = 1U << 5;  // leaf 7.1, EDX
  constexpr uint64_t kAvxState = 0x6;          // XMM, YMM
  constexpr uint64_t kAvx512State = 0xe6;      // and opmask, ZMM
  constexpr uint64_t kAmxState = 0x60000;      // tile configuration and data
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kOsxsave) == 0) return false;
  const uint64_t saved = saved_registers();
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  const uint32_t last_subleaf = eax;
  if ((edx & kAmxBf16) != 0 && (saved & kAmxState) == kAmxState) return true;
  if (last_subleaf < 1 || __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((eax & kAvx512Bf16) != 0 && (saved & kAvx512State) == kAvx512State) return true;
  return (edx & kAvxNeConvert) != 0 && (saved & kAvxState) == kAvxState;
#else
  return false;
#endif
}

bool has_gpu_node() {
  std::error_code ignored;
  return std::filesystem::exists("/dev/nvidiactl", ignored) ||
         std::filesystem::exists("/dev/dxg", ignored);
}

int physical_cores() {
  int cores = count_cores("/sys/devices/system/cpu", allowed_cpus());
  if (cores == 0) cores = static_cast<int>(std::thread::hardware_concurrency());
  std::ifstream file("/proc/self/cgroup");
  const std::string groups{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (const auto limit = cgroup_cpu_limit("/sys/fs/cgroup", groups)) {
    cores = std::min(cores, *limit);
  }
  return std::max(cores, 1);
}

}  // namespace sd
