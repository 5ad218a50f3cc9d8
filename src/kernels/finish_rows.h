// Sums become a layer's output. Included by one file for each instruction set.
#pragma once

#include <cstdint>

#include "kernels/finish.h"
#include "kernels/inline.h"
#include "kernels/vec_math.h"

namespace sd::kernels {

template <class I>
SD_VEC typename I::V activated(Activation activation, typename I::V x) {
  switch (activation) {
    case Activation::kSilu:
      return I::mul(x, sigmoid<I>(x));
    case Activation::kGelu:
      return gelu<I>(x);
    case Activation::kQuickGelu:
      return I::mul(x, sigmoid<I>(I::mul(I::set(1.702F), x)));
    case Activation::kNone:
    case Activation::kGated:
      break;
  }
  return x;
}

template <class I, typename Out, Activation kActivation>
void finish_rows(const FinishCall& call) {
  using V = typename I::V;
  for (int64_t row = 0; row < call.rows; ++row) {
    const float* sums = call.sums + row * call.sums_stride;
    auto* out = static_cast<Out*>(call.out) + row * call.out_stride;
    const auto* residual = call.residual
                               ? static_cast<const Out*>(call.residual) + row * call.residual_stride
                               : nullptr;
    // Of factors and biases there may be no more than columns.
    const auto shifted = [&](int64_t at, int64_t left) {
      const auto some = [&](const float* values) {
        return left >= I::kLanes ? I::load(values + at)
                                 : I::load_n(values + at, static_cast<int>(left));
      };
      V x = I::load(sums + at);
      if (call.scale != nullptr) x = I::mul(x, some(call.scale));
      if (call.bias != nullptr) x = I::add(x, some(call.bias));
      return x;
    };
    for (int64_t at = 0; at < call.columns; at += I::kLanes) {
      const int64_t left = call.columns - at;
      V x = shifted(at, left);
      if constexpr (kActivation == Activation::kGated) {
        x = I::mul(x, gelu<I>(shifted(at + call.half, left)));
      } else {
        x = activated<I>(kActivation, x);
      }
      if (left >= I::kLanes) {
        if (residual != nullptr) x = I::add(x, I::load(residual + at));
        I::store(out + at, x);
      } else {
        const int n = static_cast<int>(left);
        if (residual != nullptr) x = I::add(x, I::load_n(residual + at, n));
        I::store_n(out + at, x, n);
      }
    }
  }
}

template <class I, typename Out>
void finish_as(const FinishCall& call) {
  switch (call.activation) {
    case Activation::kNone:
      return finish_rows<I, Out, Activation::kNone>(call);
    case Activation::kSilu:
      return finish_rows<I, Out, Activation::kSilu>(call);
    case Activation::kGelu:
      return finish_rows<I, Out, Activation::kGelu>(call);
    case Activation::kQuickGelu:
      return finish_rows<I, Out, Activation::kQuickGelu>(call);
    case Activation::kGated:
      return finish_rows<I, Out, Activation::kGated>(call);
  }
}

template <class I>
void finish_with(const FinishCall& call) {
  if (call.bf16) {
    finish_as<I, uint16_t>(call);
  } else {
    finish_as<I, float>(call);
  }
}

}  // namespace sd::kernels
