#include "sd/pipeline/start_latents.h"

#include <ATen/ops/arange.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "sd/core/error.h"

namespace sd {

StartLatents::StartLatents(StartRule rule, std::array<int64_t, 3> shape)
    : rule_(std::move(rule)), shape_(shape) {
  if (rule_.samples < 1) throw UsageError("a batch has at least one sample to start");
  if (!rule_.given) return;
  const auto found = rule_.given->sizes();
  if (found.size() == 4 && found[0] > 0 && found.slice(1) == at::IntArrayRef(shape_)) return;
  throw UsageError(fmt::format("start latents have shape [{}], expected [N, {}]",
                               fmt::join(found, ", "), fmt::join(shape_, ", ")));
}

std::optional<torch::Tensor> StartLatents::batch(int64_t first, int64_t count, RunNoise& noise) {
  const bool one = rule_.fixed && rule_.shared;
  if (rule_.given && one) return rule_.given->narrow(0, 0, 1).expand({count, -1, -1, -1});
  if (rule_.given) {
    const int64_t start = rule_.fixed ? 0 : first;
    const auto rows =
        at::arange(start, start + count, torch::kLong).remainder(rule_.given->size(0));
    return rule_.given->index_select(0, rows);
  }
  if (!rule_.fixed) return noise.start(first, {count, shape_[0], shape_[1], shape_[2]});
  const std::vector<int64_t> shape = {one ? 1 : rule_.samples, shape_[0], shape_[1], shape_[2]};
  if (!drawn_) drawn_ = noise.start(first, shape);
  if (!drawn_) drawn_ = noise.of_batch(first).randn(shape);
  if (one) return drawn_->expand({count, -1, -1, -1});
  return drawn_->narrow(0, 0, count);
}

}  // namespace sd
