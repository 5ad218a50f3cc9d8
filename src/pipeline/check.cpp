#include "pipeline/check.h"

#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

void require_finite(const torch::Tensor& values, const std::string& stage) {
  if (at::isfinite(values).all().item<bool>()) return;
  const bool nan = values.isnan().any().item<bool>();
  throw Error(
      fmt::format("{}: the values contain {}\nTry --dtype f32 (or --precision full); if that does "
                  "not help, the checkpoint "
                  "or the given latents are damaged.",
                  stage, nan ? "NaN" : "infinity"));
}

}  // namespace sd
