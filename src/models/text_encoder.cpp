#include "sd/models/text_encoder.h"

#include <ATen/ops/where.h>
#include <fmt/format.h>

#include "sd/core/error.h"

namespace sd {

std::size_t layers_to_run(int64_t layers, int64_t skipped) {
  if (skipped >= 0 && skipped < layers) return static_cast<std::size_t>(layers - skipped);
  throw UsageError(
      fmt::format("clip skip {}: the text encoder has {} layers to run; expected 1 to {}",
                  skipped + 1, layers, layers));
}

torch::Tensor token_vectors(EmbeddingImpl& table, const torch::Tensor& ids, torch::Dtype dtype,
                            const AddedVectors& added) {
  if (!added.rows.defined()) return table.forward(ids).to(dtype);
  const auto is_added = ids.ge(added.first_id);  // [N,T]
  const auto own = table.forward(ids.masked_fill(is_added, 0)).to(dtype);
  const auto rows = added.rows.to(ids.device(), dtype);
  const auto places = (ids - added.first_id).clamp_min(0);
  const auto others = rows.index_select(0, places.view({-1})).view_as(own);
  return at::where(is_added.unsqueeze(-1), others, own);
}

void require_ids(const torch::Tensor& ids, int64_t positions) {
  if (ids.dim() == 2 && ids.size(1) <= positions) return;
  throw UsageError(fmt::format("text encoder takes ids [N,T] with T at most {}, found {} ids a row",
                               positions, ids.size(-1)));
}

}  // namespace sd
