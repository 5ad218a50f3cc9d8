#pragma once

#include <string>

namespace sd {

/// Opens our own kernels for GPUs, libsd_cuda beside the program, once LibTorch's CUDA half is
/// open, and has layers use them from then on. Returns why they are not there: this build was made
/// without them, and LibTorch's stand in. Empty if they are. Throws Error for a library that is
/// there and cannot be used.
/// SD_GPU_KERNELS=off in the environment leaves them out, too; other values than on, plain and off
/// are UsageErrors.
std::string open_cuda_backend();

/// Whether a UNet's evaluations are recorded on a GPU: with SD_GPU_KERNELS=plain they are not.
bool records_evaluations();

}  // namespace sd
