#include "pipeline/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include "pipeline/waiting_threads.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// LibTorch asks once whether its CUDA half is there and remembers the answer, so a CPU build opens
/// that half before the first question. It takes 0.2 s: only where a GPU may be. Returns what the
/// loader says when it cannot be opened.
std::string open_cuda_libraries() {
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr) return {};
  return dlerror();
}

}  // namespace

torch::Device resolve_device(const DeviceChoice& choice) {
  if (choice.kind == DeviceChoice::Kind::kCpu) return torch::kCPU;
  const bool asked_for = choice.kind == DeviceChoice::Kind::kCuda;
  if (!asked_for && !has_gpu_node()) return torch::kCPU;

  const std::string problem = open_cuda_libraries();
  const auto count = problem.empty() && at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
  if (count > 0) {
    if (choice.index >= count) {
      throw UsageError(
          fmt::format("--device cuda:{}: this machine has {} CUDA device{} (from cuda:0)\nOnly "
                      "those that CUDA_VISIBLE_DEVICES names are counted, where it is set.",
                      choice.index, count, count == 1 ? "" : "s"));
    }
    return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(choice.index));
  }
  if (!asked_for) return torch::kCPU;
  if (!problem.empty()) {
    throw UsageError(
        fmt::format("--device cuda: LibTorch's CUDA libraries cannot be opened: {}\nRun "
                    "scripts/setup.sh --cuda, or "
                    "use --device cpu.",
                    problem));
  }
  throw UsageError(
      "--device cuda: NVIDIA's device file is there, but no CUDA device was found\nCheck "
      "`nvidia-smi` (is the driver as new as LibTorch's CUDA?) and CUDA_VISIBLE_DEVICES, or use "
      "--device cpu.");
}

Precision resolve_precision(DTypeChoice choice, torch::Device device) {
  if (device.is_cuda()) {
    switch (choice) {
      case DTypeChoice::kF32:
        return {torch::kFloat, torch::kFloat, "f32"};
      case DTypeChoice::kBF16:
        return {torch::kBFloat16, torch::kBFloat16, "bf16"};
      case DTypeChoice::kAuto:
      case DTypeChoice::kF16:
        return {torch::kHalf, torch::kHalf, "f16"};
    }
  }
  const bool has_bf16 = cpu_has_bf16();
  if (choice == DTypeChoice::kF32 || (choice == DTypeChoice::kAuto && !has_bf16)) {
    return {torch::kFloat, torch::kFloat, "f32"};
  }
  return {torch::kBFloat16, has_bf16 ? torch::kBFloat16 : torch::kFloat, "bf16"};
}

void set_threads(int threads) {
  const int count = threads > 0 ? threads : physical_cores();
  at::set_num_threads(count);
  limit_waiting_in_loops(count);
}

}  // namespace sd
