#pragma once

#include <ATen/cuda/CUDAEvent.h>
#include <c10/core/Allocator.h>

#include <array>
#include <cstddef>

namespace sd::cuda {

/// Two pieces of memory that a GPU reads by itself: while it takes one, the host fills the other.
class Uploader {
 public:
  Uploader();

  /// Copies on the current stream of the current device; `from` may go when it returns.
  void copy(const std::byte* from, std::byte* to, std::size_t bytes);

 private:
  struct Piece {
    c10::DataPtr memory;
    at::cuda::CUDAEvent taken;  // by the GPU
  };
  std::array<Piece, 2> pieces_;
  std::size_t next_ = 0;
};

}  // namespace sd::cuda
