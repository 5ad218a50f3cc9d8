#include "nn/join_channels.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>

#include "nn/parallel_tasks.h"

namespace sd {

torch::Tensor join_channels(const torch::Tensor& a, const torch::Tensor& b) {
  constexpr auto kLast = at::MemoryFormat::ChannelsLast;
  if (!a.is_cpu() || c10::GradMode::is_enabled() || !a.is_contiguous(kLast) ||
      !b.is_contiguous(kLast)) {
    return at::cat({a, b}, 1);
  }
  auto joined =
      at::empty({a.size(0), a.size(1) + b.size(1), a.size(2), a.size(3)}, a.options(), kLast);
  const auto bytes_a = static_cast<std::size_t>(a.size(1)) * a.element_size();
  const auto bytes_b = static_cast<std::size_t>(b.size(1)) * b.element_size();
  const auto* from_a = static_cast<const char*>(a.const_data_ptr());
  const auto* from_b = static_cast<const char*>(b.const_data_ptr());
  auto* to = static_cast<char*>(joined.mutable_data_ptr());
  const int64_t pixels = a.size(0) * a.size(2) * a.size(3);
  constexpr int64_t kPixels = 256;  // of a task
  run_tasks((pixels + kPixels - 1) / kPixels, [&](int64_t task) {
    const int64_t end = std::min(pixels, (task + 1) * kPixels);
    for (int64_t pixel = task * kPixels; pixel < end; ++pixel) {
      const auto at = static_cast<std::size_t>(pixel);
      char* const place = to + at * (bytes_a + bytes_b);
      std::memcpy(place, from_a + at * bytes_a, bytes_a);
      std::memcpy(place + bytes_a, from_b + at * bytes_b, bytes_b);
    }
  });
  return joined;
}

}  // namespace sd
