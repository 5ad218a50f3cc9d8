#pragma once

#include <memory>
#include <vector>

#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"
#include "sd/text/alignment.h"

namespace sd {

class TokenTransfer;

struct ForkSwapOptions {
  PerRow<TokenAlignment> alignments = {};  // source to target
  double tthres = 0;                       // steps that begin at a timestep below it are left alone
  SiteFilter sites = {};
  RowChoice rows = RowChoice::kBoth;  // the fork edits the unconditional rows too
};

/// The fork's swap: in every cross-attention layer A = (1−m) · A_target + m · A_source[indices].
/// The source's rows are never changed, and rows are not renormalised. Does nothing in a batch
/// without a source.
class ForkSwap final : public AttentionController {
 public:
  /// Throws UsageError if there is no alignment or one of them is malformed.
  explicit ForkSwap(ForkSwapOptions options);
  ~ForkSwap() override;

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

 private:
  ForkSwapOptions options_;
  std::vector<TokenTransfer> transfers_;
};

}  // namespace sd
