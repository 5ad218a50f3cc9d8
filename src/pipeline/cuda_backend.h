#pragma once

#include <string>

namespace sd {

/// Opens our own kernels for GPUs, libsd_cuda beside the program, once LibTorch's CUDA half is
/// open, and has layers use them from then on. Returns why they are not there: this build was made
/// without them, and LibTorch's stand in. Empty if they are. Throws Error for a library that is
/// there and cannot be used.
std::string open_cuda_backend();

}  // namespace sd
