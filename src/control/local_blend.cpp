#include "sd/control/local_blend.h"

#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "control/rows.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// What the rows of a group pay to their words: [count,h,w] float32, summed over heads.
torch::Tensor attention_to(const PerRow<BlendTokens>& words, const torch::Tensor& probs,
                           const RowGroup& rows, const AttentionCall& call) {
  auto sum = at::zeros({rows.count, probs.size(2)}, probs.options().dtype(at::kFloat));
  for_each_setting(words.size(), rows, "local blend's words",
                   [&](std::size_t setting, int64_t offset, int64_t count) {
                     for (const int64_t token : words[setting]) {
                       sum.narrow(0, offset, count)
                           .add_(probs.narrow(0, offset, count)
                                     .select(-1, token)
                                     .sum({1}, /*keepdim=*/false, at::kFloat));
                     }
                   });
  return sum.unflatten(1, {call.height, call.width});
}

void add_to(torch::Tensor& sum, const torch::Tensor& more) {
  sum = sum.defined() ? sum.add_(more) : more;
}

/// Where maps [N,h,w], at the size of latents x, exceed a fraction of their maximum: bool
/// [N,1,h,w]. A map that is zero everywhere exceeds nowhere.
torch::Tensor exceeds(const torch::Tensor& maps, const torch::Tensor& x, double threshold,
                      bool widen) {
  auto m = maps.unsqueeze(1);
  if (widen) m = at::max_pool2d(m, /*kernel_size=*/3, /*stride=*/1, /*padding=*/1);
  m = at::upsample_nearest2d(m, {x.size(2), x.size(3)});
  return (m / m.amax({2, 3}, /*keepdim=*/true)).gt(threshold);
}

}  // namespace

LocalBlend::LocalBlend(LocalBlendOptions options) : options_(std::move(options)) {
  if (options_.target_words.empty() || options_.source_words.empty() ||
      options_.except_targets.empty() || options_.except_source.empty()) {
    throw UsageError("local blend: a list of words without rows");
  }
  const auto is_fraction = [](double value) { return value >= 0 && value <= 1; };
  if (!is_fraction(options_.threshold) || !is_fraction(options_.start)) {
    throw UsageError(fmt::format("local blend: threshold {} and start {}; expected 0 to 1",
                                 options_.threshold, options_.start));
  }
}

AttentionUse LocalBlend::use(const AttentionCall& call) const {
  const bool watches = !options_.mask && call.site.kind == AttentionKind::kCross &&
                       call.site.downsampling == options_.downsampling &&
                       call.site.part != UNetPart::kMiddle && call.step.evaluation == 0;
  return watches ? AttentionUse::kObserve : AttentionUse::kNone;
}

StepUse LocalBlend::step_use(const StepInfo& step, const std::vector<RowGroup>&) const {
  return options_.mask || step.evaluation != 0 ? StepUse::kNone : StepUse::kOther;
}

LocalBlend::Watched& LocalBlend::watched(const RowGroup& rows) {
  const auto found = std::find_if(watched_.begin(), watched_.end(), [&](const Watched& w) {
    return w.branch == rows.branch && w.target == rows.target;
  });
  return found != watched_.end() ? *found
                                 : watched_.emplace_back(Watched{rows.branch, rows.target, {}, {}});
}

void LocalBlend::observe(const torch::Tensor& probs, const RowGroup& rows,
                         const AttentionCall& call) {
  if (rows.part > 0) throw UsageError("local blend: cannot look at prompts put together with AND");
  const bool target = rows.branch == RowGroup::Branch::kTarget;
  auto& sums = watched(rows);
  const auto& words = target ? options_.target_words : options_.source_words;
  const auto& except = target ? options_.except_targets : options_.except_source;
  add_to(sums.words, attention_to(words, probs, rows, call));
  add_to(sums.except, attention_to(except, probs, rows, call));
}

torch::Tensor LocalBlend::mask_of(const RowGroup& target, const RowGroup& source,
                                  const torch::Tensor& x) {
  if (options_.mask) {
    const auto& mask = *options_.mask;
    const bool fits = mask.dim() == 4 && (mask.size(0) == 1 || mask.size(0) == target.count) &&
                      mask.size(1) == 1 && mask.size(2) == x.size(2) && mask.size(3) == x.size(3);
    if (!fits) {
      throw UsageError(
          fmt::format("local blend: the mask has shape [{}], expected [1 or {},1,{},{}]",
                      fmt::join(mask.sizes(), ", "), target.count, x.size(2), x.size(3)));
    }
    return mask.to(x.device()).gt(0.5);
  }
  const auto of_target = watched(target), of_source = watched(source);
  if (!of_target.words.defined() || !of_source.words.defined()) {
    throw UsageError(fmt::format(
        "local blend: this model's down and up layers have no cross-attention at {} of the "
        "latents' size\nLook at layers of another size, or give a mask.",
        options_.downsampling == 1 ? "all" : fmt::format("1/{}", options_.downsampling)));
  }
  const auto either = [&](const torch::Tensor& a, const torch::Tensor& b, bool widen) {
    return exceeds(a, x, options_.threshold, widen)
        .bitwise_or(exceeds(b, x, options_.threshold, widen));
  };
  // The published code widens the words' masks and not those of the exceptions.
  return either(of_target.words, of_source.words, true)
      .bitwise_and(either(of_target.except, of_source.except, false).bitwise_not());
}

torch::Tensor LocalBlend::edit(torch::Tensor x, const StepInfo& step,
                               const std::vector<RowGroup>& rows) {
  if (!has_source(rows)) throw UsageError("local blend needs a source prompt");
  const auto first = static_cast<int64_t>(options_.start * static_cast<double>(step.num_steps));
  if (step.step < first) return x;
  for (const auto& target : rows) {
    if (target.branch != RowGroup::Branch::kTarget) continue;
    const auto* source = source_beside(target, rows);
    const auto mask = mask_of(target, *source, x);
    masks_.resize(std::max(masks_.size(), static_cast<std::size_t>(target.target) + 1));
    masks_[static_cast<std::size_t>(target.target)] = mask;
    const auto of_target = x.narrow(0, target.begin, target.count);
    const auto of_source = x.narrow(0, source->begin, source->count);
    of_target.copy_(at::where(mask, of_target, of_source));
  }
  return x;
}

}  // namespace sd
