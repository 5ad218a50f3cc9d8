#include "cli/shell/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <thread>

#include "sd/core/own_library.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

/// By the names of /proc/cpuinfo, which lists what the kernel has switched on too.
constexpr std::array<std::string_view, 9> kFeatures = {"avx2",        "fma",         "f16c",
                                                       "avx512f",     "avx512_vnni", "avx512_bf16",
                                                       "avx512_fp16", "amx_tile",    "amx_bf16"};

std::string trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
  return std::string(text.substr(begin, text.find_last_not_of(" \t") + 1 - begin));
}

/// The value of the first "key : value" line of a file; empty if there is none.
std::string value_of(const fs::path& file, std::string_view key) {
  std::ifstream input(file);
  for (std::string line; std::getline(input, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || trimmed(std::string_view(line).substr(0, colon)) != key)
      continue;
    return trimmed(std::string_view(line).substr(colon + 1));
  }
  return {};
}

std::optional<int64_t> leading_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && value >= 0 ? std::optional(value) : std::nullopt;
}

int64_t kilobytes(std::string_view key) {
  constexpr int64_t kLimit = int64_t{1} << 50;  // beyond it is no memory, and 1024 times it fits
  const auto count = leading_number(value_of("/proc/meminfo", key));
  return count && *count < kLimit ? *count * 1024 : 0;
}

/// A control group may allow less than the machine has.
void limit_memory(Machine& machine) {
  machine.memory_limits = control_group_limits();
  for (const auto& limit : machine.memory_limits) {
    machine.memory_total = std::min(machine.memory_total, limit.bytes);
    machine.memory_available = std::min(machine.memory_available, limit.left());
  }
  auto own = process_limits();
  std::move(own.begin(), own.end(), std::back_inserter(machine.memory_limits));
}

void find_gpus(Machine& machine) {
  machine.gpu_node = has_gpu_node();
  std::error_code error;
  const fs::path driver = "/proc/driver/nvidia";
  for (auto entry = fs::directory_iterator(driver / "gpus", error);
       !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const auto model = value_of(entry->path() / "information", "Model");
    if (!model.empty()) machine.gpus.push_back(model);
  }
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu …": the first word of digits.
  std::istringstream words(value_of(driver / "version", "NVRM version"));
  for (std::string word; words >> word && machine.driver.empty();) {
    if (word.find_first_not_of("0123456789.") == std::string::npos) machine.driver = word;
  }
}

/// As the drawing half finds it: where an installation has put it, else where it was built against.
void find_libtorch(Machine& machine) {
  const fs::path installed =
      fs::path(own_library_path("libsd_engine.so")).parent_path() / "torch" / "lib";
  std::error_code absent;
  machine.libtorch = fs::exists(installed / "libtorch_cpu.so", absent)
                         ? installed.lexically_normal()
                         : fs::path(SD_TORCH_LIBRARIES);
  if (machine.libtorch.empty()) return;
  std::error_code ignored;
  machine.libtorch_found = fs::exists(machine.libtorch / "libtorch_cpu.so", ignored);
  machine.libtorch_cuda = fs::exists(machine.libtorch / "libtorch_cuda.so", ignored);
}

void find_features(Machine& machine) {
  machine.cpu = value_of("/proc/cpuinfo", "model name");
  std::istringstream flags(value_of("/proc/cpuinfo", "flags"));
  const std::set<std::string> all{std::istream_iterator<std::string>(flags), {}};
  for (const auto feature : kFeatures) {
    auto& list = all.contains(std::string(feature)) ? machine.features : machine.lacking;
    list.emplace_back(feature);
  }
}

}  // namespace

int64_t available_memory() { return kilobytes("MemAvailable"); }

bool Machine::has(std::string_view feature) const {
  return std::ranges::find(features, feature) != features.end();
}

Machine this_machine() {
  Machine machine;
  find_features(machine);
  machine.cores = physical_cores();
  machine.logical_cpus = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  machine.bf16 = cpu_has_bf16();
  std::array<double, 1> load{};
  if (getloadavg(load.data(), 1) == 1) machine.load = load[0];
  machine.memory_total = kilobytes("MemTotal");
  machine.memory_available = available_memory();
  limit_memory(machine);
  find_gpus(machine);
  find_libtorch(machine);
  return machine;
}

bool computes_on_cpu(const DeviceChoice& device, const Machine& machine) {
  using Kind = DeviceChoice::Kind;
  return device.kind == Kind::kCpu || (device.kind == Kind::kAuto && !machine.may_use_gpu());
}

}  // namespace sd::cli
