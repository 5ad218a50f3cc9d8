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

constexpr std::string_view kGpuPrefix = "cuda:";

std::optional<int> gpu_index(std::string_view text) {
  constexpr int kMaxIndex = 127;  // LibTorch keeps the index in 8 bits
  int index = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, index);
  const bool known = error == std::errc() && stop == end && index >= 0 && index <= kMaxIndex;
  return known ? std::optional(index) : std::nullopt;
}

}  // namespace

std::string device_text(const DeviceChoice& device) {
  using Kind = DeviceChoice::Kind;
  if (device.kind == Kind::kAuto) return "auto";
  if (device.kind == Kind::kCpu) return "cpu";
  return device.index ? fmt::format("{}{}", kGpuPrefix, *device.index) : "cuda";
}

DeviceChoice parse_device(const std::string& text) {
  using Kind = DeviceChoice::Kind;
  if (text == "auto") return {Kind::kAuto};
  if (text == "cpu") return {Kind::kCpu};
  if (text == "cuda") return {Kind::kCuda};
  if (text.starts_with(kGpuPrefix)) {
    const auto index = gpu_index(std::string_view(text).substr(kGpuPrefix.size()));
    if (index) return {Kind::kCuda, index};
  }
  throw UsageError(
      fmt::format("device '{}' is unknown: expected auto, cpu, cuda or cuda:N (N from 0)", text));
}

std::vector<DeviceChoice> parse_devices(const std::string& text) {
  if (text.find(',') == std::string::npos) return {parse_device(text)};
  std::vector<DeviceChoice> devices;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    auto part = std::string_view(text).substr(begin, end - begin);
    const bool prefixed = part.starts_with(kGpuPrefix);
    if (prefixed) part.remove_prefix(kGpuPrefix.size());
    const auto index = gpu_index(part);
    if (!index || (!prefixed && devices.empty())) {
      throw UsageError(fmt::format(
          "devices '{}' are unknown: expected several GPUs by their numbers, as in cuda:0,1",
          text));
    }
    const DeviceChoice device{DeviceChoice::Kind::kCuda, index};
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) {
      throw UsageError(fmt::format("devices '{}' name {} twice: expected each GPU once", text,
                                   device_text(device)));
    }
    devices.push_back(device);
    begin = end + 1;
  }
  return devices;
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
