#include "sd/core/noise_source.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/randn.h>

#include <functional>
#include <numeric>

namespace sd {
namespace {

torch::Device device_to_draw_on(RngChoice kind, torch::Device device) {
  return kind == RngChoice::kDevice ? device : torch::Device(torch::kCPU);
}

at::Generator make_generator(uint64_t seed, torch::Device device) {
  if (device.is_cpu()) return at::detail::createCPUGenerator(seed);
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

}  // namespace

SeededNoise::SeededNoise(uint64_t seed, RngChoice kind, torch::Device device)
    : device_(device), draw_device_(device_to_draw_on(kind, device)) {
  if (kind == RngChoice::kCuda) {
    philox_.emplace(seed);
  } else {
    generator_ = make_generator(seed, draw_device_);
  }
}

torch::Tensor SeededNoise::randn(at::IntArrayRef shape) {
  if (philox_) {
    const int64_t count =
        std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    auto numbers = philox_->randn(count);
    return at::from_blob(numbers.data(), shape, at::kFloat).clone().to(device_);
  }
  return at::randn(shape, generator_, at::TensorOptions().dtype(at::kFloat).device(draw_device_))
      .to(device_);
}

}  // namespace sd
