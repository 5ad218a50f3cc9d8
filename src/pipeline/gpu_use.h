#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

namespace sd {

// What our own kernels' library tells of a GPU; nothing where it is not used.

/// Whether waits of the host for a device are counted, from 0, and how often it waited.
void count_gpu_waits(torch::Device device, bool on);
int64_t gpu_waits(torch::Device device);
/// Bytes that LibTorch held on a device at most; nothing where no backend tells.
std::optional<int64_t> peak_gpu_memory(torch::Device device);

}  // namespace sd
