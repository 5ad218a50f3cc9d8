#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/models/control_residuals.h"
#include "sd/nn/attention_controller.h"
#include "sd/nn/prompt_cache.h"
#include "sd/nn/time_table.h"
#include "sd/pipeline/control_net.h"

namespace sd {

struct LoadedModel;  // pipeline/load.h

/// The control nets of one batch, evaluated beside its UNet.
class ControlRun {
 public:
  /// `timesteps` are those at which the steps begin. Pictures are looked at once, here. Throws
  /// UsageError for a picture of another size than [1,3,height,width], or a weight that is no
  /// number.
  ControlRun(const LoadedModel& model, const std::vector<ControlUse>& uses,
             const std::vector<double>& timesteps, int64_t height, int64_t width);

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
    torch::Tensor shown, conditional;  // the last context, and its conditional rows
  };
  void add_net(Net& net, const torch::Tensor& latents, const torch::Tensor& t,
               const torch::Tensor& context, const ForwardContext& run);
  void add_adapter(Net& net, int64_t rows, const ForwardContext& run);

  std::vector<Net> nets_;
  ControlResiduals sum_;
};

}  // namespace sd
