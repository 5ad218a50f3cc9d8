#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sd/core/compute.h"

namespace sd {

/// What NVIDIA's driver says of one GPU, asked without LibTorch (CUDA Driver API, libcuda.so.1).
struct CudaGpu {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int64_t memory = 0;        // bytes in all; 0: unknown
};

/// The driver's own account of this machine.
struct CudaDriver {
  bool found = false;  // libcuda.so.1 can be opened
  int start_code = 0;  // of cuInit; 0: the driver works
  int version = 0;     // the newest CUDA that it supports: 13020 is 13.2
  int gpus = 0;        // that this process may see
};
CudaDriver ask_cuda_driver();

/// GPU number `index` of those that this process may see; an empty name if the driver tells none.
CudaGpu ask_cuda_gpu(int index);
/// Bytes of its memory that nobody uses; nothing if that cannot be told.
std::optional<int64_t> free_gpu_memory(int index);

/// Whether a LibTorch of this configuration text ("… -gencode;arch=compute_90,code=sm_90 …") has
/// code for a GPU: machine code of its generation, or PTX of an older one. A text that names no
/// architecture is taken to have all.
bool has_kernels_for(std::string_view configuration, const CudaGpu& gpu);

/// "12.4" of 12040.
std::string cuda_version_text(int version);

/// Why a driver cannot run CUDA `needed` (as 13000), and what to do; empty if it can.
std::string driver_problem(const CudaDriver& driver, int needed);

}  // namespace sd
