// A small inversion that nothing drew.
#pragma once

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "sd/weights/inversion_file.h"

namespace sd::test {

/// Values that differ from one another.
inline InversionTensor counted_tensor(std::vector<int64_t> shape) {
  const auto count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0.0F);
  std::ranges::transform(values, values.begin(), [](float value) { return value / 64; });
  return {std::move(shape), std::move(values)};
}

/// Three steps of latents of 4x2x3.
inline InversionFile small_inversion(InversionMethod method = InversionMethod::kDirect) {
  InversionFile file;
  file.method = method;
  file.prompt = "a \"cat\"\non a sofa";
  file.steps = 5;
  file.guidance = method == InversionMethod::kDirect ? 1 : 7.5;
  file.picture = std::string(64, 'a');
  file.model = std::string(64, 'b');
  file.model_name = "model";
  file.alphas = {0.1, 0.2, 0.6, 0.99};
  file.timesteps = {601, 401, 1};
  file.path = counted_tensor({4, 4, 2, 3});
  file.context = counted_tensor({5, 6});
  if (method == InversionMethod::kNullText) file.unconditional = counted_tensor({3, 5, 6});
  if (method == InversionMethod::kEditFriendly) file.noises = counted_tensor({3, 4, 2, 3});
  return file;
}

}  // namespace sd::test
