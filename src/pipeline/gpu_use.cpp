#include "pipeline/gpu_use.h"

#include "nn/gpu.h"

namespace sd {

void count_gpu_waits(torch::Device device, bool on) {
  if (const auto* backend = gpu::backend_of(device)) backend->count_waits(on);
}

int64_t gpu_waits(torch::Device device) {
  const auto* backend = gpu::backend_of(device);
  return backend != nullptr ? backend->waits() : 0;
}

std::optional<int64_t> peak_gpu_memory(torch::Device device) {
  const auto* backend = gpu::backend_of(device);
  if (backend == nullptr) return std::nullopt;
  return backend->peak_memory(device.has_index() ? device.index() : 0);
}

}  // namespace sd
