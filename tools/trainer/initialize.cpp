#include "trainer/initialize.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <string_view>

namespace sd::train {
namespace {

constexpr double kEmbeddingDeviation = 0.02;
constexpr double kFirstLogVariance = -6;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool starts_at_zero(std::string_view name) {
  const bool unet = name.starts_with("model.");
  return unet && (contains(name, ".out_layers.3.") || contains(name, ".proj_out.") ||
                  contains(name, "diffusion_model.out.2."));
}

}  // namespace

void initialize(FlatParameters& parameters, uint64_t seed) {
  const c10::AutoGradMode no_gradients(false);
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const auto& entry : parameters.entries()) {
    // Drawn on the CPU: the same start for one seed on every device.
    auto value = at::empty(entry.shape, at::kFloat);
    const std::string_view name = entry.name;
    if (starts_at_zero(name)) {
      value.zero_();
    } else if (contains(name, "embedding.")) {
      value.normal_(0, kEmbeddingDeviation, generator);
    } else if (entry.shape.size() >= 2) {
      const double bound = 1 / std::sqrt(static_cast<double>(entry.count / entry.shape[0]));
      value.uniform_(-bound, bound, generator);
    } else if (name.ends_with(".bias")) {
      value.zero_();
      if (name.ends_with(".quant_conv.bias") && !name.ends_with("post_quant_conv.bias")) {
        value.narrow(0, entry.count / 2, entry.count / 2).fill_(kFirstLogVariance);
      }
    } else {
      value.fill_(1);  // the scale of a norm
    }
    FlatParameters::view(parameters.values(), entry).copy_(value);
  }
}

}  // namespace sd::train
