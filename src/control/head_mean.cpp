#include "control/head_mean.h"

#include "control/rows.h"

namespace sd {

torch::Tensor head_mean(const torch::Tensor& probs, const SiteFilter& sites) {
  torch::Tensor sum;
  int64_t heads = 0;
  for (const auto& run : heads_of(sites, probs.size(1))) {
    const auto part = probs.narrow(1, run.begin, run.count).sum({1}, /*keepdim=*/false, at::kFloat);
    sum = sum.defined() ? sum.add_(part) : part;
    heads += run.count;
  }
  return sum.div_(heads);
}

}  // namespace sd
