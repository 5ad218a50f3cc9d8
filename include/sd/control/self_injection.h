#pragma once

#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"

namespace sd {

struct SelfInjectionOptions {
  StepWindow steps = StepWindow::steps(0, 0.4);
  /// Layers whose queries stand for at least so many latent pixels a side: 4 is Prompt-to-Prompt's
  /// 16×16 of 64×64 latents, at any size; 2 its 32×32.
  int64_t min_downsampling = 4;
  SiteFilter sites = {};
  RowChoice rows = RowChoice::kConditional;
};

/// Gives the targets the source's self-attention, which holds where things are (arXiv:2208.01626,
/// section 3.2, "attention injection"). Does nothing in a batch without a source.
class SelfInjection final : public AttentionController {
 public:
  explicit SelfInjection(SelfInjectionOptions options = {}) : options_(std::move(options)) {}

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override;

 private:
  SelfInjectionOptions options_;
};

}  // namespace sd
