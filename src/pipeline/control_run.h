#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "sd/models/control_residuals.h"
#include "sd/nn/attention_controller.h"
#include "sd/nn/prompt_cache.h"
#include "sd/nn/time_table.h"
#include "sd/pipeline/control_net.h"
#include "sd/pipeline/draw.h"

namespace sd {

/// The control nets of one batch, evaluated beside its UNet.
class ControlRun {
 public:
  /// `timesteps` are those at which the steps begin. Pictures are looked at once, here. `acting`
  /// tells of each row of a pass whether the nets add to it; empty: to all. Throws UsageError for a
  /// picture of another size than [1,3,height,width], or a weight that is no number.
  ControlRun(const LoadedModel& model, const std::vector<ControlUse>& uses,
             const std::vector<double>& timesteps, int64_t height, int64_t width,
             std::vector<bool> acting = {}, bool negated = false);

  /// What the nets add to the UNet's call over `input` [R,C,h,w], of which they see the latents;
  /// null where none acts in this step. Lent until the next call.
  const ControlResiduals* residuals(const torch::Tensor& input, const torch::Tensor& t,
                                    const torch::Tensor& context, const ForwardContext& run);

 private:
  struct Net {
    ControlUse use;
    torch::Tensor hint;                   // of a ControlNet
    std::vector<torch::Tensor> features;  // of a T2I-Adapter
    PromptCache prompt{};
    TimeTable times;
    torch::Tensor shown, own;  // the last context, and the rows of it that the net sees
  };
  std::vector<int64_t> rows_of(const Net& net, const ForwardContext& run, int64_t rows) const;
  void add_net(Net& net, const torch::Tensor& latents, const torch::Tensor& t,
               const torch::Tensor& context, const ForwardContext& run);
  void add_adapter(Net& net, int64_t rows, const ForwardContext& run);

  std::vector<Net> nets_;
  std::vector<bool> acting_;
  bool negated_;
  ControlResiduals sum_;
};

/// The nets of a request beside latents like `latents` [R,C,h,w]; null where there are none.
std::shared_ptr<ControlRun> control_run_of(const LoadedModel& model, const DrawRequest& request,
                                           const std::vector<double>& timesteps,
                                           const torch::Tensor& latents);

}  // namespace sd
