// Plain loops over channels that the compiler turns into vector code, once for each kind of CPU.
#include "nn/norm_kernels.h"

#include <algorithm>
#include <vector>

#include "nn/kernel_math.h"

namespace sd::norm_kernels {
namespace {

using namespace kernel_math;

// Float sums run over so many pixels before they go into doubles: E[x²] − E[x]² then loses nothing.
constexpr int64_t kBlock = 32;

/// Calls body(pixel) for blocks of pixels and flushes the float sums of each into doubles.
template <typename Body>
SD_INLINE void sum_in_blocks(int64_t pixels, int64_t channels, double* first, double* second,
                             Body body) {
  std::vector<float> sums(2 * static_cast<std::size_t>(channels));
  float* a = sums.data();
  float* b = a + channels;
  for (int64_t begin = 0; begin < pixels; begin += kBlock) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    const int64_t end = std::min(pixels, begin + kBlock);
    for (int64_t pixel = begin; pixel < end; ++pixel) body(pixel * channels, a, b);
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      first[c] += static_cast<double>(a[c]);
      second[c] += static_cast<double>(b[c]);
    }
  }
}

template <typename T>
SD_INLINE void moments(const T* x, int64_t pixels, int64_t channels, double* sum, double* square) {
  sum_in_blocks(pixels, channels, sum, square,
                [=](int64_t at, float* __restrict a, float* __restrict b) {
#pragma GCC ivdep
                  for (int64_t c = 0; c < channels; ++c) {
                    const float value = load(x + at + c);
                    a[c] += value;
                    b[c] += value * value;
                  }
                });
}

template <typename T>
SD_INLINE void applied(const T* __restrict x, T* __restrict y, int64_t pixels, int64_t channels,
                       const float* __restrict scale, const float* __restrict shift, bool silu) {
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += channels, y += channels) {
    if (silu) {
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) {
        const float g = load(x + c) * scale[c] + shift[c];
        store(y + c, g * sigmoid(g));
      }
    } else {
#pragma GCC ivdep
      for (int64_t c = 0; c < channels; ++c) store(y + c, load(x + c) * scale[c] + shift[c]);
    }
  }
}

template <bool kSilu, typename T>
SD_INLINE void differentiated(const T* x, const T* dy, T* d, int64_t pixels, int64_t channels,
                              const float* __restrict scale, const float* __restrict shift,
                              double* sum, double* product) {
  sum_in_blocks(pixels, channels, sum, product,
                [=](int64_t at, float* __restrict a, float* __restrict b) {
                  const T* __restrict x_at = x + at;
                  const T* __restrict dy_at = dy + at;
                  T* __restrict d_at = d + at;
#pragma GCC ivdep
                  for (int64_t c = 0; c < channels; ++c) {
                    const float value = load(x_at + c);
                    float slope = 1.0F;
                    if constexpr (kSilu) {
                      const float g = value * scale[c] + shift[c];
                      const float s = sigmoid(g);
                      slope = s + g * s * (1.0F - s);
                    }
                    const float change = load(dy_at + c) * slope;
                    store(d_at + c, change);
                    a[c] += change;
                    b[c] += change * value;
                  }
                });
}

template <typename T>
SD_INLINE void combined(const T* __restrict x, T* __restrict d, int64_t pixels, int64_t channels,
                        const float* __restrict scale, const float* __restrict slope,
                        const float* __restrict offset) {
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += channels, d += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      store(d + c, scale[c] * load(d + c) + slope[c] * load(x + c) + offset[c]);
    }
  }
}

}  // namespace

SD_FOR_EACH_CPU void add_moments(const float* x, int64_t pixels, int64_t channels, double* sum,
                                 double* square) {
  moments(x, pixels, channels, sum, square);
}
SD_FOR_EACH_CPU void add_moments(const c10::BFloat16* x, int64_t pixels, int64_t channels,
                                 double* sum, double* square) {
  moments(x, pixels, channels, sum, square);
}

SD_FOR_EACH_CPU void apply(const float* x, float* y, int64_t pixels, int64_t channels,
                           const float* scale, const float* shift, bool silu) {
  applied(x, y, pixels, channels, scale, shift, silu);
}
SD_FOR_EACH_CPU void apply(const c10::BFloat16* x, c10::BFloat16* y, int64_t pixels,
                           int64_t channels, const float* scale, const float* shift, bool silu) {
  applied(x, y, pixels, channels, scale, shift, silu);
}

SD_FOR_EACH_CPU void differentiate(const float* x, const float* dy, float* d, int64_t pixels,
                                   int64_t channels, const float* scale, const float* shift,
                                   bool silu, double* sum, double* product) {
  if (silu) {
    differentiated<true>(x, dy, d, pixels, channels, scale, shift, sum, product);
  } else {
    differentiated<false>(x, dy, d, pixels, channels, scale, shift, sum, product);
  }
}
SD_FOR_EACH_CPU void differentiate(const c10::BFloat16* x, const c10::BFloat16* dy,
                                   c10::BFloat16* d, int64_t pixels, int64_t channels,
                                   const float* scale, const float* shift, bool silu, double* sum,
                                   double* product) {
  if (silu) {
    differentiated<true>(x, dy, d, pixels, channels, scale, shift, sum, product);
  } else {
    differentiated<false>(x, dy, d, pixels, channels, scale, shift, sum, product);
  }
}

SD_FOR_EACH_CPU void combine(const float* x, float* d, int64_t pixels, int64_t channels,
                             const float* scale, const float* slope, const float* offset) {
  combined(x, d, pixels, channels, scale, slope, offset);
}
SD_FOR_EACH_CPU void combine(const c10::BFloat16* x, c10::BFloat16* d, int64_t pixels,
                             int64_t channels, const float* scale, const float* slope,
                             const float* offset) {
  combined(x, d, pixels, channels, scale, slope, offset);
}

}  // namespace sd::norm_kernels
