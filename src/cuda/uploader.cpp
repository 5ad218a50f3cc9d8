#include "cuda/uploader.h"

#include <ATen/cuda/CachingHostAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>

namespace sd::cuda {
namespace {

// Starting a copy costs little beside so much, and a large tensor has several.
constexpr std::size_t kPiece = std::size_t{4} << 20;

}  // namespace

Uploader::Uploader() {
  for (auto& piece : pieces_) piece.memory = at::getHostAllocator(at::kCUDA)->allocate(kPiece);
}

void Uploader::copy(const std::byte* from, std::byte* to, std::size_t bytes) {
  const auto stream = c10::cuda::getCurrentCUDAStream();
  for (std::size_t done = 0; done < bytes; done += kPiece) {
    auto& piece = pieces_[next_];
    next_ = 1 - next_;
    piece.taken.synchronize();
    const auto size = std::min(kPiece, bytes - done);
    std::memcpy(piece.memory.get(), from + done, size);
    C10_CUDA_CHECK(
        cudaMemcpyAsync(to + done, piece.memory.get(), size, cudaMemcpyHostToDevice, stream));
    piece.taken.record(stream);
  }
  for (auto& piece : pieces_) piece.taken.synchronize();  // then others may have the memory
}

}  // namespace sd::cuda
