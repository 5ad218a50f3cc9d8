#pragma once

#include <c10/core/Event.h>
#include <torch/types.h>

#include <cstdint>
#include <deque>

#include "sd/diffusion/samplers.h"

namespace sd {

/// Sees that latents stay finite, step by step. On a GPU it does not wait for what it sees: the
/// host would start no new work meanwhile. There the GPU itself notes the first step that went
/// wrong, which `finish` tells, and the host runs two steps ahead at most, so that progress is told
/// nearly when it is made and an interrupt takes effect.
class StepWatch {
 public:
  /// Throws Error where latents hold a NaN or an infinity, of this step or, on a GPU, nothing yet.
  void after(const StepReport& step);
  /// Waits for all steps, and throws Error where one went wrong.
  void finish();

 private:
  void wait_for_earlier(const torch::Tensor& x);

  torch::Tensor first_;  // the first step that went wrong, negative while none has; on a GPU
  std::deque<double> timesteps_;
  std::deque<c10::Event> ends_;
};

}  // namespace sd
