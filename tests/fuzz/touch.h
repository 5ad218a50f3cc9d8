#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "sd/core/error.h"
#include "sd/weights/tensor_source.h"

namespace sd::fuzz {

/// Reads every byte, so that the address sanitizer sees a span that lies outside its file.
inline void touch(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

/// Reads every tensor, and aborts where strides or shape reach outside the bytes of one.
inline void touch_all(const TensorSource& source) {
  for (const auto& name : source.names()) {
    TensorView view;
    try {
      view = source.at(name);
    } catch (const CheckpointError&) {
      continue;
    }
    touch(view.bytes);
    int64_t elements = 1;
    for (const int64_t size : view.shape) elements *= size;
    if (elements == 0) continue;
    int64_t last = 0;
    for (std::size_t i = 0; i < view.strides.size(); ++i)
      last += (view.shape[i] - 1) * view.strides[i];
    if (view.strides.empty()) last = elements - 1;
    if (static_cast<uint64_t>(last + 1) * size_of(view.dtype) != view.bytes.size()) std::abort();
  }
}

}  // namespace sd::fuzz
