#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/memory_limits.h"
#include "sd/core/compute.h"

namespace sd::cli {

/// The machine as the kernel describes it; no library is opened to ask.
struct Machine {
  std::string cpu;                    // "Intel(R) Xeon(R) Platinum"
  std::vector<std::string> features;  // those that matter here, by the kernel's names
  std::vector<std::string> lacking;   // those that matter and are not there
  int cores = 1;                      // physical ones that this process may use
  int logical_cpus = 1;
  bool bf16 = false;         // multiplied in hardware
  double load = 0;           // runnable processes, mean of a minute
  int64_t memory_total = 0;  // bytes; of the control group where that is less
  int64_t memory_available = 0;
  std::vector<MemoryLimit> memory_limits;  // of control groups and of the process
  bool gpu_node = false;
  std::vector<std::string> gpus;   // names, where the driver tells them
  std::string driver;              // its version; empty if there is none
  std::filesystem::path libtorch;  // the folder of its libraries; empty: built without
  bool libtorch_found = false;
  bool libtorch_cuda = false;  // its CUDA half lies there

  bool has(std::string_view feature) const;
  /// A GPU may be used when nobody chooses a device.
  bool may_use_gpu() const { return gpu_node && libtorch_cuda; }
};

Machine this_machine();

/// Bytes that the machine has for new allocations, whatever this process may have of them.
int64_t available_memory();

/// Whether `device` means the CPU here.
bool computes_on_cpu(const DeviceChoice& device, const Machine& machine);

}  // namespace sd::cli
