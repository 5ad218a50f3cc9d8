// Two passes over the maps, which lie in the L2 cache at the UNet's sizes: sums of each group over
// bands of pixels, then the norm itself, whose blocks add up the bands' sums first.
#include <algorithm>

#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/vectors.cuh"

namespace sd::cuda {
namespace {

constexpr int kPerGroup = 8;  // threads that add up one group
constexpr unsigned kAll = 0xFFFFFFFFU;

/// How a block's threads stand: each has `kWide` channels of every `rows`-th pixel.
struct Layout {
  int lanes;    // threads a pixel
  int rows;     // pixels at a time
  int threads;  // a multiple of the warp's 32
};

template <typename T>
Layout layout_of(int64_t channels) {
  const int lanes = static_cast<int>(channels) / kWide<T>;
  const int rows = std::max(1, 256 / lanes);
  return {lanes, rows, (lanes * rows + 31) / 32 * 32};
}

/// Bands depend on the picture alone, so that its sums are the same in any batch.
int64_t bands_of(int64_t pixels) { return std::clamp<int64_t>(pixels / 32, 1, 256); }

struct Shape {
  int pixels, channels, groups, lanes, rows, band;
};

template <typename T>
struct Offsets {
  const T* bias;
  const T* offset;
  int64_t stride;

  __device__ void add_to(int picture, int channel, float (&values)[kWide<T>]) const {
    add_from(bias == nullptr ? nullptr : bias + channel, values);
    add_from(offset == nullptr ? nullptr : offset + picture * stride + channel, values);
  }
};

template <typename T>
Offsets<T> offsets_of(const ChannelOffset& o) {
  return {static_cast<const T*>(o.bias), static_cast<const T*>(o.offset), o.offset_stride};
}

/// Adds over the kPerGroup neighbours of a warp; all of them get the sum.
template <typename Number>
__device__ Number group_sum(Number x) {
#pragma unroll
  for (int step = kPerGroup / 2; step > 0; step /= 2) x += __shfl_xor_sync(kAll, x, step);
  return x;
}

/// Sum and sum of squares of each group over one band of one picture.
template <typename T>
__global__ void sum_bands(const T* __restrict__ x, Offsets<T> before, Shape shape,
                          float2* __restrict__ sums) {
  constexpr int kWidth = kWide<T>;
  extern __shared__ float shared[];  // [rows, channels] sums, then squares
  const int lane = threadIdx.x % shape.lanes, row = threadIdx.x / shape.lanes;
  const int picture = blockIdx.y;
  float* const squares = shared + shape.rows * shape.channels;
  if (row < shape.rows) {
    float sum[kWidth] = {}, square[kWidth] = {}, offset[kWidth] = {};
    const int channel = lane * kWidth;
    before.add_to(picture, channel, offset);
    const int begin = blockIdx.x * shape.band;
    const int end = min(shape.pixels, begin + shape.band);
    const T* const at = x + static_cast<int64_t>(picture) * shape.pixels * shape.channels + channel;
    for (int pixel = begin + row; pixel < end; pixel += shape.rows) {
      float values[kWidth];
      load(at + static_cast<int64_t>(pixel) * shape.channels, values);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float value = values[i] + offset[i];
        sum[i] += value;
        square[i] += value * value;
      }
    }
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      shared[row * shape.channels + channel + i] = sum[i];
      squares[row * shape.channels + channel + i] = square[i];
    }
  }
  __syncthreads();
  const int size = shape.channels / shape.groups;
  const int together = blockDim.x / kPerGroup;
  for (int first = 0; first < shape.groups; first += together) {
    const int group = first + static_cast<int>(threadIdx.x) / kPerGroup;
    double sum = 0, square = 0;
    if (group < shape.groups) {
      for (int i = threadIdx.x % kPerGroup; i < shape.rows * size; i += kPerGroup) {
        const int at = i / size * shape.channels + group * size + i % size;
        sum += shared[at];
        square += squares[at];
      }
    }
    sum = group_sum(sum);
    square = group_sum(square);
    if (group < shape.groups && threadIdx.x % kPerGroup == 0) {
      sums[(static_cast<int64_t>(picture) * gridDim.x + blockIdx.x) * shape.groups + group] = {
          static_cast<float>(sum), static_cast<float>(square)};
    }
  }
}

struct Affine {
  double eps;
  bool silu;
  int bands;
};

template <typename T>
__global__ void apply_norm(const T* __restrict__ x, Offsets<T> before, Shape shape, Affine affine,
                           const T* __restrict__ weight, const T* __restrict__ bias,
                           const float2* __restrict__ sums, T* __restrict__ y) {
  constexpr int kWidth = kWide<T>;
  extern __shared__ float shared[];  // [groups] means, then 1/deviation
  const int picture = blockIdx.y;
  const int size = shape.channels / shape.groups;
  const int together = blockDim.x / kPerGroup;
  for (int first = 0; first < shape.groups; first += together) {
    const int group = first + static_cast<int>(threadIdx.x) / kPerGroup;
    double sum = 0, square = 0;
    if (group < shape.groups) {
      for (int band = threadIdx.x % kPerGroup; band < affine.bands; band += kPerGroup) {
        const float2 of =
            sums[(static_cast<int64_t>(picture) * affine.bands + band) * shape.groups + group];
        sum += of.x;
        square += of.y;
      }
    }
    sum = group_sum(sum);
    square = group_sum(square);
    if (group < shape.groups && threadIdx.x % kPerGroup == 0) {
      const double count = static_cast<double>(size) * shape.pixels;
      const double mean = sum / count;
      const double variance = fmax(0.0, square / count - mean * mean);
      shared[group] = static_cast<float>(mean);
      shared[shape.groups + group] = static_cast<float>(1.0 / sqrt(variance + affine.eps));
    }
  }
  __syncthreads();
  const int lane = threadIdx.x % shape.lanes, row = threadIdx.x / shape.lanes;
  if (row >= shape.rows) return;
  const int channel = lane * kWidth;
  float scale[kWidth], shift[kWidth], offset[kWidth] = {};
  load(weight + channel, scale);
  load(bias + channel, shift);
  before.add_to(picture, channel, offset);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const int group = (channel + i) / size;
    scale[i] *= shared[shape.groups + group];
    shift[i] += (offset[i] - shared[group]) * scale[i];
  }
  const int begin = blockIdx.x * shape.band;
  const int end = min(shape.pixels, begin + shape.band);
  const int64_t start = static_cast<int64_t>(picture) * shape.pixels * shape.channels + channel;
  for (int pixel = begin + row; pixel < end; pixel += shape.rows) {
    const int64_t at = start + static_cast<int64_t>(pixel) * shape.channels;
    float values[kWidth];
    load(x + at, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      values[i] = values[i] * scale[i] + shift[i];
      if (affine.silu) values[i] = silu<T>(values[i]);
    }
    store(y + at, values);
  }
}

template <typename T>
void run(const GroupNormCall& call, cudaStream_t stream) {
  const auto& maps = call.maps;
  const auto layout = layout_of<T>(maps.channels);
  const auto bands = bands_of(maps.pixels);
  Shape shape{static_cast<int>(maps.pixels),
              static_cast<int>(maps.channels),
              static_cast<int>(call.groups),
              layout.lanes,
              layout.rows,
              static_cast<int>(quotient_up(maps.pixels, bands))};
  const auto before = offsets_of<T>(call.before);
  const auto* x = static_cast<const T*>(call.x);
  auto* const sums = reinterpret_cast<float2*>(call.scratch);
  const auto pictures = static_cast<unsigned>(maps.pictures);
  const auto bytes = 2 * sizeof(float) * static_cast<std::size_t>(layout.rows * shape.channels);
  sum_bands<T><<<dim3(static_cast<unsigned>(bands), pictures), layout.threads, bytes, stream>>>(
      x, before, shape, sums);
  check_launch("group norm, sums");
  // Some pixels a thread are enough to pay for what each block does first.
  shape.band = 4 * layout.rows;
  const auto blocks = static_cast<unsigned>(quotient_up(maps.pixels, shape.band));
  apply_norm<T><<<dim3(blocks, pictures), layout.threads,
                  2 * sizeof(float) * static_cast<std::size_t>(shape.groups), stream>>>(
      x, before, shape, Affine{call.eps, call.silu, static_cast<int>(bands)},
      static_cast<const T*>(call.weight), static_cast<const T*>(call.bias), sums,
      static_cast<T*>(call.y));
  check_launch("group norm");
}

}  // namespace

int64_t group_norm_scratch(const Maps& maps, int64_t groups) {
  return maps.pictures * bands_of(maps.pixels) * groups * 2;
}

void group_norm(const GroupNormCall& call, void* stream) {
  for_type(call.maps.type, [&](auto* of) {
    run<std::remove_pointer_t<decltype(of)>>(call, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace sd::cuda
