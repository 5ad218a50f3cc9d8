#include "trainer/attention_supervision.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include <algorithm>

#include "trainer/latent_cache.h"

namespace sd::train {
namespace {

// Keeps the logarithms finite where bf16 probabilities reach 0 or 1.
constexpr double kFloor = 1e-3;

}  // namespace

AttentionSupervision::AttentionSupervision(const torch::Tensor& groups,
                                           const torch::Tensor& masks) {
  std::vector<torch::Tensor> members;
  for (int64_t group = 1; group <= kTokenGroups; ++group) members.push_back(groups.eq(group));
  members_ = at::stack(members, -1).to(at::kFloat);
  present_ = members_.amax({1}, /*keepdim=*/true);
  auto objects = masks.to(at::kFloat).div(255);  // [N,2,h,w]
  for (int level = 0; level < 2; ++level) {
    if (level > 0) objects = at::avg_pool2d(objects, {2, 2});
    const auto background = (1 - objects.sum(1, /*keepdim=*/true)).clamp(0, 1);
    const auto targets = at::cat({objects, objects, background}, 1);  // by TokenGroup - 1
    levels_.push_back({objects.size(2), targets.flatten(2).transpose(1, 2).contiguous()});
  }
}

AttentionUse AttentionSupervision::use(const AttentionCall& call) const {
  const bool looked_at = call.site.kind == AttentionKind::kCross &&
                         std::any_of(levels_.begin(), levels_.end(), [&](const Level& level) {
                           return level.height == call.height;
                         });
  // Not kObserve: the gradients of the loss and of the picture go through the same probabilities.
  return looked_at ? AttentionUse::kChange : AttentionUse::kNone;
}

torch::Tensor AttentionSupervision::apply(torch::Tensor probs, const AttentionCall& call) {
  const auto level = std::find_if(levels_.begin(), levels_.end(), [&](const Level& candidate) {
    return candidate.height == call.height;
  });
  const auto paid =
      at::matmul(probs.mean(1).to(at::kFloat), members_).clamp(kFloor, 1 - kFloor);  // [N,Q,groups]
  const auto& target = level->targets;
  // Mean over the thing's pixels and over the others apart, so that small things count as much.
  const auto inside = -(target * paid.log()).sum(1) / target.sum(1).clamp_min(1e-3);
  const auto outside =
      -((1 - target) * (1 - paid).log()).sum(1) / (1 - target).sum(1).clamp_min(1e-3);
  const auto present = present_.squeeze(1);  // [N,groups]
  losses_.push_back(((inside + outside) * present).sum() / present.sum().clamp_min(1));
  return probs;
}

torch::Tensor AttentionSupervision::loss() const { return at::stack(losses_).mean(); }

}  // namespace sd::train
