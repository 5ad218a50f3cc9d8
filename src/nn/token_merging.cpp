#include "nn/token_merging.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "sd/core/error.h"

namespace sd {
namespace {

/// Sources that are looked at together: bounds the memory of their products with all targets.
constexpr int64_t kSourcesAtATime = 1024;

struct GridSplit {
  std::vector<int64_t> targets, sources;  // places in the grid, ascending
};

/// The upper left of each whole 2×2 block is a target. What an odd side leaves over is a source.
GridSplit split_grid(int64_t height, int64_t width) {
  GridSplit split;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const bool target = y % 2 == 0 && x % 2 == 0 && y + 1 < height && x + 1 < width;
      (target ? split.targets : split.sources).push_back(y * width + x);
    }
  }
  return split;
}

/// x [R,N,C] at places [R,M] of each R: [R,M,C].
torch::Tensor at_places(const torch::Tensor& x, const torch::Tensor& places) {
  const auto rows = at::arange(x.size(0), places.options()).mul_(x.size(1)).unsqueeze(1);
  return x.flatten(0, 1)
      .index_select(0, (places + rows).flatten())
      .view({x.size(0), places.size(1), x.size(2)});
}

/// Calls f(begin, count) for one run of sources after the other.
template <typename F>
void in_runs(int64_t sources, F f) {
  for (int64_t begin = 0; begin < sources; begin += kSourcesAtATime) {
    f(begin, std::min(kSourcesAtATime, sources - begin));
  }
}

/// How like its best target each source is, and which target that is, counted among targets.
struct Match {
  torch::Tensor cosine;  // [R,S]
  torch::Tensor target;  // [R,S]
};

Match best_targets(const torch::Tensor& x, const torch::Tensor& sources,
                   const torch::Tensor& targets) {
  // In float32 whatever x is: in bf16 many cosines are equal. A token of zeros is like no other.
  auto metric = x.to(at::kFloat);
  metric = metric / metric.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12);
  const auto columns = metric.index_select(1, targets).transpose(1, 2);  // [R,C,D]
  std::vector<torch::Tensor> cosines, indices;
  in_runs(sources.size(0), [&](int64_t begin, int64_t count) {
    const auto rows = metric.index_select(1, sources.narrow(0, begin, count));  // [R,n,C]
    auto [cosine, target] = at::matmul(rows, columns).max(-1);
    cosines.push_back(std::move(cosine));
    indices.push_back(std::move(target));
  });
  return {at::cat(cosines, 1), at::cat(indices, 1)};
}

}  // namespace

TokenMerging::TokenMerging(const torch::Tensor& x, int64_t height, int64_t width, double ratio) {
  if (!(ratio >= 0 && ratio <= kMostMerged)) {
    throw UsageError(fmt::format("token_merging is {}; expected a share of the pixels from 0 to {}",
                                 ratio, kMostMerged));
  }
  const auto split = split_grid(height, width);
  const int64_t rows = x.size(0), tokens = x.size(1);
  const auto source_count = static_cast<int64_t>(split.sources.size());
  const auto target_count = static_cast<int64_t>(split.targets.size());
  // Without a whole block there is nothing to merge into.
  const int64_t wanted = target_count == 0 ? 0 : static_cast<int64_t>(ratio * tokens);
  const int64_t merged = std::min(wanted, source_count);
  const int64_t left = source_count - merged;
  const auto sources = at::tensor(split.sources, at::kLong).to(x.device());
  targets_ = at::tensor(split.targets, at::kLong).to(x.device());

  if (merged == 0) {
    left_ = sources.expand({rows, -1});
    merged_ = into_ = at::empty({rows, 0}, sources.options());
  } else {
    const auto match = best_targets(x, sources, targets_);
    // Stable: of equal ones the first is merged, on every device.
    const auto order = std::get<1>(match.cosine.sort(/*stable=*/true, -1, /*descending=*/true));
    const auto first = order.narrow(1, 0, merged), rest = order.narrow(1, merged, left);
    left_ = sources.index_select(0, rest.flatten()).view({rows, left});
    merged_ = sources.index_select(0, first.flatten()).view({rows, merged});
    into_ = match.target.gather(1, first);
  }
  const auto ascending = at::arange(left + target_count, sources.options());
  found_ = at::empty({rows, tokens}, sources.options());
  found_.index_copy_(1, targets_, ascending.narrow(0, left, target_count).expand({rows, -1}));
  found_.scatter_(1, left_, ascending.narrow(0, 0, left).expand({rows, -1}));
  found_.scatter_(1, merged_, into_ + left);
}

torch::Tensor TokenMerging::merge(const torch::Tensor& x) const {
  const int64_t rows = x.size(0), targets = targets_.size(0);
  // Sums by products with ones and zeros: a GPU's additions at one address come in any order, and
  // a command is to give the same bytes every time.
  auto sums = x.index_select(1, targets_).to(at::kFloat);      // [R,D,C]
  auto counts = at::ones({rows, targets, 1}, sums.options());  // the target itself
  const auto numbers = at::arange(targets, targets_.options()).view({1, targets, 1});
  in_runs(merged_.size(1), [&](int64_t begin, int64_t count) {
    const auto goes = (into_.narrow(1, begin, count).unsqueeze(1) == numbers).to(at::kFloat);
    sums.add_(at::matmul(goes, at_places(x, merged_.narrow(1, begin, count)).to(at::kFloat)));
    counts.add_(goes.sum(-1, /*keepdim=*/true));
  });
  return at::cat({at_places(x, left_), (sums / counts).to(x.scalar_type())}, 1);
}

torch::Tensor TokenMerging::unmerge(const torch::Tensor& x) const { return at_places(x, found_); }

}  // namespace sd
