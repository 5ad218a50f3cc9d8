#include "pipeline/check.h"

#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

void require_finite(const torch::Tensor& values, const std::string& stage) {
  if (at::isfinite(values).all().item<bool>()) return;
  throw_not_finite(stage, values.isnan().any().item<bool>() ? "NaN" : "infinity");
}

void throw_not_finite(const std::string& stage, const std::string& what) {
  throw Error(
      fmt::format("{}: the values contain {}\nTry --dtype f32 (or --precision full); if that does "
                  "not help, the checkpoint "
                  "or the given latents are damaged.",
                  stage, what));
}

}  // namespace sd
