#pragma once

#include <vector>

#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"

namespace sd {

/// How much more, or less, attention one token is paid.
struct TokenWeight {
  int64_t token = 0;                   // position among the 77, those of further parts behind
  std::vector<double> values = {1.0};  // one for all samples, or one for each; may be negative
  int64_t target = -1;                 // which of several targets; -1: all
};

struct ReweightOptions {
  std::vector<TokenWeight> weights = {};
  StepWindow steps = {};
  /// With Prompt-to-Prompt its schedules: a token is weighted only while it follows the source.
  /// Empty: always.
  PerRow<TokenSchedule> schedules = {};
  SiteFilter sites = {};
  RowChoice rows = RowChoice::kConditional;
};

/// Multiplies the attention that targets pay to some tokens. Rows are not renormalised, as in the
/// fork and in Prompt-to-Prompt ("attention re-weighting"). The source is never changed. After a
/// swap in a chain, the injected attention is weighted.
class Reweight final : public AttentionController {
 public:
  /// Throws UsageError for a negative token position or a weight without values.
  explicit Reweight(ReweightOptions options);

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  /// Throws UsageError where a token is past the end of the context, or a weight has neither one
  /// value nor as many as there are samples.
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

 private:
  bool weighs(const RowGroup& group, int64_t sample, int64_t token, const StepInfo& step) const;

  ReweightOptions options_;
};

}  // namespace sd
