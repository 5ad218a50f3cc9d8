#include "sd/models/feature_cache.h"

#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

FeatureCache::FeatureCache(int64_t interval) : interval_(interval) {
  if (interval >= 1) return;
  throw UsageError(fmt::format("deepcache is {}; expected a number of steps from 1", interval));
}

torch::Tensor FeatureCache::find(const StepInfo& step, int64_t rows) const {
  const bool due = step.step % interval_ == 0;
  if (due || !kept_.defined() || kept_.size(0) < rows) return {};
  return kept_.narrow(0, kept_.size(0) - rows, rows);
}

}  // namespace sd
