#pragma once

#include <string>

namespace sd {

/// Opens our own kernels for GPUs, libsd_cuda beside the program, once LibTorch's CUDA half is
/// open, and has layers use them from then on, where SD_GPU_KERNELS in the environment is on or
/// plain. Returns why they are not used; empty if they are. Throws UsageError for other values than
/// those and off, and where this build has no such library; Error for one that cannot be used.
std::string open_cuda_backend();

/// Whether a UNet's evaluations are recorded on a GPU: with SD_GPU_KERNELS=on.
bool records_evaluations();

}  // namespace sd
