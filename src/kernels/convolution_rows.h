// Reading of a convolution's pixels. Included by one file for each instruction set.
#pragma once

#include "kernels/convolution_steps.h"
#include "kernels/vec_math.h"

namespace sd::kernels {

/// One vector of the channels of a pixel, the first n lanes of it (n = kLanes: all).
template <class I, bool kWhole, typename T>
SD_VEC typename I::V load_lanes(const T* from, int n) {
  if constexpr (kWhole) {
    return I::load(from);
  } else {
    return I::load_n(from, n);
  }
}

/// A chunk of channels is a short piece of each pixel, which the CPU's own prefetching does not see
/// coming: it is asked for so many pixels ahead.
constexpr int64_t kPixelsAhead = 8;

template <class I, bool kNormed, bool kSilu, bool kWhole, typename From, typename To>
SD_VEC void copy_lanes(const RowCall& call, const From* from, To* to, int64_t channel, int n) {
  auto x = load_lanes<I, kWhole>(from + channel, n);
  if constexpr (kNormed) {
    x = I::fma(x, load_lanes<I, kWhole>(call.scale + channel, n),
               load_lanes<I, kWhole>(call.shift + channel, n));
  }
  if constexpr (kSilu) x = I::mul(x, sigmoid<I>(x));
  I::store(to + channel, x);
}

template <class I, bool kNormed, bool kSilu, typename From, typename To>
void copy_row_as(const RowCall& given) {
  const RowCall call = given;  // no store through a pointer can change it
  To* to = static_cast<To*>(call.to);
  const int64_t whole = call.channels / I::kLanes * I::kLanes;
  for (int64_t pixel = call.begin; pixel < call.begin + call.count; ++pixel, to += call.to_stride) {
    int64_t channel = 0;
    if (call.row != nullptr && pixel >= 0 && pixel < call.width) {
      const From* from = static_cast<const From*>(call.row) +
                         (call.upsampled ? pixel / 2 : pixel) * call.pixel_stride;
      for (; channel < whole; channel += I::kLanes) {
        __builtin_prefetch(from + channel + kPixelsAhead * call.pixel_stride);
        copy_lanes<I, kNormed, kSilu, true>(call, from, to, channel, I::kLanes);
      }
      if (channel < call.channels) {
        copy_lanes<I, kNormed, kSilu, false>(call, from, to, channel,
                                             static_cast<int>(call.channels - channel));
        channel += I::kLanes;
      }
    }
    for (; channel < call.to_stride; channel += I::kLanes) I::store(to + channel, I::zero());
  }
}

template <class I, typename From, typename To>
void copy_row(const RowCall& call) {
  if (call.scale != nullptr) {
    return call.silu ? copy_row_as<I, true, true, From, To>(call)
                     : copy_row_as<I, true, false, From, To>(call);
  }
  return call.silu ? copy_row_as<I, false, true, From, To>(call)
                   : copy_row_as<I, false, false, From, To>(call);
}

}  // namespace sd::kernels
