#include "sd/models/text_encoder.h"

#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

void require_ids(const torch::Tensor& ids, int64_t positions) {
  if (ids.dim() == 2 && ids.size(1) <= positions) return;
  throw UsageError(fmt::format("text encoder takes ids [N,T] with T at most {}, found {} ids a row",
                               positions, ids.size(-1)));
}

}  // namespace sd
