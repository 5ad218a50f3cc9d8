#include <algorithm>

#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/vectors.cuh"

namespace sd::cuda {
namespace {

constexpr int kThreads = 256;

unsigned blocks_of(int64_t vectors) {
  return static_cast<unsigned>(std::clamp<int64_t>(quotient_up(vectors, kThreads), 1, 1 << 20));
}

template <typename T>
__global__ void add_kernel(T* __restrict__ x, const T* __restrict__ bias,
                           const T* __restrict__ offset, int64_t offset_stride,
                           const T* __restrict__ residual, int64_t vectors, int lanes,
                           int64_t vectors_a_picture) {
  constexpr int kWidth = kWide<T>;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < vectors;
       i += step) {
    float values[kWidth];
    load(x + i * kWidth, values);
    const int64_t channel = i % lanes * kWidth;
    add_from(bias == nullptr ? nullptr : bias + channel, values);
    if (offset != nullptr) {
      add_from(offset + i / vectors_a_picture * offset_stride + channel, values);
    }
    add_from(residual == nullptr ? nullptr : residual + i * kWidth, values);
    store(x + i * kWidth, values);
  }
}

template <typename T>
__global__ void gate_kernel(const T* __restrict__ x, int64_t vectors, int lanes,
                            T* __restrict__ y) {
  constexpr int kWidth = kWide<T>;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < vectors;
       i += step) {
    const T* const at = x + (i / lanes * 2 * lanes + i % lanes) * kWidth;
    float values[kWidth], gates[kWidth];
    load(at, values);
    load(at + static_cast<int64_t>(lanes) * kWidth, gates);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) values[j] *= gelu(gates[j]);
    store(y + i * kWidth, values);
  }
}

__global__ void nonfinite_kernel(const float* __restrict__ x, int64_t count, int step, int* first) {
  bool bad = false;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += stride) {
    bad |= !isfinite(x[i]);
  }
  if (__syncthreads_or(bad) != 0 && threadIdx.x == 0) atomicCAS(first, -1, step);
}

}  // namespace

void add(const AddCall& call, void* stream) {
  for_type(call.maps.type, [&](auto* of) {
    using T = std::remove_pointer_t<decltype(of)>;
    const auto& maps = call.maps;
    const int64_t lanes = maps.channels / kWide<T>, vectors = maps.pictures * maps.pixels * lanes;
    add_kernel<T><<<blocks_of(vectors), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<T*>(call.x), static_cast<const T*>(call.offset.bias),
        static_cast<const T*>(call.offset.offset), call.offset.offset_stride,
        static_cast<const T*>(call.residual), vectors, static_cast<int>(lanes),
        maps.pixels * lanes);
  });
  check_launch("adding to channels");
}

void gate(const GateCall& call, void* stream) {
  for_type(call.type, [&](auto* of) {
    using T = std::remove_pointer_t<decltype(of)>;
    const int64_t lanes = call.width / kWide<T>, vectors = call.rows * lanes;
    gate_kernel<T><<<blocks_of(vectors), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<const T*>(call.x), vectors, static_cast<int>(lanes), static_cast<T*>(call.y));
  });
  check_launch("gated units");
}

void note_nonfinite(const float* x, int64_t count, int step, int* first, void* stream) {
  const auto blocks = static_cast<unsigned>(std::clamp<int64_t>(count / 4096, 1, 256));
  nonfinite_kernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(x, count, step,
                                                                               first);
  check_launch("looking for numbers that are not finite");
}

}  // namespace sd::cuda
