#include "sd/models/text_encoder.h"

#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

std::size_t layers_to_run(int64_t layers, int64_t skipped) {
  if (skipped >= 0 && skipped < layers) return static_cast<std::size_t>(layers - skipped);
  throw UsageError(
      fmt::format("clip skip {}: the text encoder has {} layers to run; expected 1 to {}",
                  skipped + 1, layers, layers));
}

void require_ids(const torch::Tensor& ids, int64_t positions) {
  if (ids.dim() == 2 && ids.size(1) <= positions) return;
  throw UsageError(fmt::format("text encoder takes ids [N,T] with T at most {}, found {} ids a row",
                               positions, ids.size(-1)));
}

}  // namespace sd
