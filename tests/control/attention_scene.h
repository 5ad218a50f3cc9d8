#pragma once

#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>

#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd::test {

/// One attention call with everything it refers to: `targets` targets and a source of `samples`
/// samples each, unconditional rows first, as the pipeline lays them out.
struct AttentionScene {
  AttentionSite site{AttentionKind::kCross, UNetPart::kUp, 4, 0, 4};
  StepInfo step{3, 10, 601, 0};
  std::vector<RowGroup> rows;
  int64_t height = 2, width = 3, heads = 2, tokens = 6;

  explicit AttentionScene(int64_t samples = 1, int64_t targets = 1, bool source = true) {
    int64_t begin = 0;
    for (const bool conditional : {false, true}) {
      for (int64_t target = 0; target < targets; ++target, begin += samples) {
        rows.push_back({RowGroup::Branch::kTarget, conditional, begin, samples, target});
      }
      if (!source) continue;
      rows.push_back({RowGroup::Branch::kSource, conditional, begin, samples, 0});
      begin += samples;
    }
  }

  /// Adds conditional rows of a further part of the targets' prompts.
  void add_part(int64_t samples = 1) {
    auto group = rows.back();
    rows.push_back(
        {group.branch, true, group.begin + group.count, samples, 0, true, group.part + 1});
  }

  AttentionCall call() const { return {site, step, rows, height, width}; }

  torch::Tensor probabilities() const {
    const int64_t all = rows.back().begin + rows.back().count;
    const int64_t keys = site.kind == AttentionKind::kCross ? tokens : height * width;
    return at::softmax(at::randn({all, heads, height * width, keys}), -1);
  }

  /// The group's rows of x.
  torch::Tensor of(const torch::Tensor& x, RowGroup::Branch branch, bool conditional,
                   int64_t target = 0) const {
    for (const auto& group : rows) {
      if (group.branch == branch && group.conditional == conditional && group.target == target) {
        return x.narrow(0, group.begin, group.count);
      }
    }
    return {};
  }
  torch::Tensor target(const torch::Tensor& x, int64_t which = 0) const {
    return of(x, RowGroup::Branch::kTarget, true, which);
  }
  torch::Tensor source(const torch::Tensor& x) const {
    return of(x, RowGroup::Branch::kSource, true);
  }
  torch::Tensor unconditional(const torch::Tensor& x) const {
    return of(x, RowGroup::Branch::kTarget, false);
  }
};

inline double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace sd::test
