#pragma once

#include <torch/types.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cuda/backend.h"
#include "sd/nn/attention_controller.h"
#include "sd/nn/column_edit.h"
#include "sd/nn/prompt_cache.h"
#include "sd/nn/time_table.h"

namespace sd {

class UNetImpl;  // sd/models/unet.h

/// A UNet on a GPU whose evaluation is recorded once and then started as one piece of work: the
/// host needs longer to start its thousand kernels than the GPU to run them. Batches of one size
/// share a recording, whatever their prompts and timesteps. Kept with the model.
class RecordedUNet {
 public:
  explicit RecordedUNet(UNetImpl& unet) : unet_(unet) {}

  /// Recordings have one input and one output: whoever samples has them to the end of a run, and
  /// others wait. What they decode meanwhile needs no turn.
  std::unique_lock<std::mutex> take_turn() { return std::unique_lock(turn_); }

  /// As the UNet's forward, for a caller that has its turn. Evaluations that are not alike are not
  /// recorded: under a controller, guided inside of the layers, with control nets, pictures beside
  /// the prompt, cached features, merged tokens or timesteps that are not in the run's table; nor
  /// those whose work outlasts their start, of many pixels.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t,
                        const torch::Tensor& context, const ForwardContext& run);

 private:
  /// Of inputs of one size.
  struct Recording {
    torch::Tensor x, context;  // which the graphs read
    torch::Tensor shown;       // what `context` is a copy of
    std::thread::id prepared;  // which evaluated it: libraries are set up for each thread
    PromptCache prompt{};
    std::optional<TimeTable> times{};
    std::optional<ColumnEdit> columns{};  // whose matrices the graphs read
    torch::Tensor shown_matrices{};
    torch::Tensor first_out{}, later_out{};
    // The one makes keys and values of the prompt, which the other reads.
    std::unique_ptr<cuda::Graph> first{}, later{};
  };

  bool is_alike(const torch::Tensor& x, const ForwardContext& run) const;
  Recording* find(const torch::Tensor& x, const torch::Tensor& context, const ColumnEdit* columns);
  /// Shows a recording the prompt and the edit of a call; whether one of them is new to it.
  static bool show(Recording& recording, const torch::Tensor& context, const ColumnEdit* columns);
  void record(Recording& recording, const torch::Tensor& t, const ForwardContext& run);

  UNetImpl& unet_;
  std::mutex turn_;
  std::list<Recording> recordings_;  // the one used last in front
};

}  // namespace sd
