#include "pipeline/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include "core/launchers.h"
#include "kernels/gemm_tables.h"
#include "pipeline/cuda_backend.h"
#include "pipeline/cuda_driver.h"
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

/// Why the GPU that was chosen cannot be drawn on, and what to do; empty if it can, whose number
/// then is in `index`.
std::string cuda_problem(const DeviceChoice& choice, int& index) {
  const auto driver = ask_cuda_driver();
  // Without a driver LibTorch's half would open, and say less.
  if (!driver.found) return driver_problem(driver, 0);
  const auto closed = open_cuda_libraries();
  if (!closed.empty()) {
    return fmt::format(
        "LibTorch's CUDA libraries cannot be opened: {}\nRun scripts/setup.sh --cuda, or use "
        "--device cpu.",
        closed);
  }
  const auto& hooks = at::detail::getCUDAHooks();
  const auto faulty = driver_problem(driver, static_cast<int>(hooks.versionCUDART()));
  if (!faulty.empty()) return faulty;
  const auto count = at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
  index = gpu_number(choice, count);
  if (index >= count) {
    return fmt::format(
        "this machine has {} CUDA device{} (from cuda:0)\nOnly those that CUDA_VISIBLE_DEVICES "
        "names are counted, where it is set.",
        count, count == 1 ? "" : "s");
  }
  const auto gpu = ask_cuda_gpu(index);
  if (!gpu.name.empty() && !has_kernels_for(hooks.showConfig(), gpu)) {
    return fmt::format(
        "this LibTorch has no kernels for {} (compute capability {}.{})\nBuild with a LibTorch for "
        "this GPU (older ones support older GPUs), or use --device cpu.",
        gpu.name, gpu.major, gpu.minor);
  }
  return {};
}

}  // namespace

torch::Device resolve_device(const DeviceChoice& choice) {
  if (choice.kind == DeviceChoice::Kind::kCpu) return torch::kCPU;
  const bool asked_for = choice.kind == DeviceChoice::Kind::kCuda;
  if (!asked_for && !has_gpu_node()) return torch::kCPU;

  int index = 0;
  const auto problem = cuda_problem(choice, index);
  if (problem.empty()) {
    open_cuda_backend();
    return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
  }
  if (!asked_for) return torch::kCPU;
  throw UsageError(fmt::format("--device {}: {}", device_text(choice), problem));
}

int gpu_number(const DeviceChoice& choice, int gpus) {
  if (choice.index) return *choice.index;
  if (gpus < 2) return 0;
  return static_cast<int>(local_rank().value_or(0) % gpus);
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
  const bool has_bf16 = kernels::has_bf16_units(kernels::best_isa());
  if (choice == DTypeChoice::kF32 || (choice == DTypeChoice::kAuto && !has_bf16)) {
    return {torch::kFloat, torch::kFloat, "f32"};
  }
  return {torch::kBFloat16, has_bf16 ? torch::kBFloat16 : torch::kFloat, "bf16"};
}

void set_cuda_arithmetic() {
  auto& context = at::globalContext();
  // TF32 keeps 10 bits of 23: float32 means float32 here, half precision is there for speed.
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  // Which convolution is fastest is found out by timing, and another one rounds otherwise: the same
  // command must give the same picture.
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
}

void set_threads(int threads) {
  const int count = threads > 0 ? threads : physical_cores();
  at::set_num_threads(count);
  limit_waiting_in_loops(count);
}

}  // namespace sd
