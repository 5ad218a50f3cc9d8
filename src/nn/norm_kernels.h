#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace sd::norm_kernels {

// Group norm over the pixels of channels-last maps, [pixels, channels] with the channels side by
// side, with or without SiLU behind it. float or bf16 in and out, float32 arithmetic. Each kernel
// exists for AVX-512, AVX2 and any x86-64; the CPU's own is chosen when the program starts.

/// Adds each channel's sum and sum of squares over the pixels to sum[channels], square[channels].
void add_moments(const float* x, int64_t pixels, int64_t channels, double* sum, double* square);
void add_moments(const c10::BFloat16* x, int64_t pixels, int64_t channels, double* sum,
                 double* square);

/// y = f(scale · x + shift), f = SiLU or the identity.
void apply(const float* x, float* y, int64_t pixels, int64_t channels, const float* scale,
           const float* shift, bool silu);
void apply(const c10::BFloat16* x, c10::BFloat16* y, int64_t pixels, int64_t channels,
           const float* scale, const float* shift, bool silu);

/// d = dy · f'(scale · x + shift); adds each channel's Σ d and Σ d·x to the sums.
void differentiate(const float* x, const float* dy, float* d, int64_t pixels, int64_t channels,
                   const float* scale, const float* shift, bool silu, double* sum, double* product);
void differentiate(const c10::BFloat16* x, const c10::BFloat16* dy, c10::BFloat16* d,
                   int64_t pixels, int64_t channels, const float* scale, const float* shift,
                   bool silu, double* sum, double* product);

/// d = scale · d + slope · x + offset, all per channel.
void combine(const float* x, float* d, int64_t pixels, int64_t channels, const float* scale,
             const float* slope, const float* offset);
void combine(const c10::BFloat16* x, c10::BFloat16* d, int64_t pixels, int64_t channels,
             const float* scale, const float* slope, const float* offset);

}  // namespace sd::norm_kernels
