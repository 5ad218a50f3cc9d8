#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"

namespace sd {

/// The maps of one layer at one step, as the fork saves them.
struct SavedMap {
  std::string name;  // "down_time0981_res016_num001.npy", "middle_time0981_res008.npy"
  /// [samples,h,w,tokens] float32 on the CPU, contiguous, mean over heads; of all parts in turn.
  torch::Tensor maps;
};

/// The fork's name for maps of a layer at timestep t; the resolution is the grid's shorter side.
std::string saved_map_name(const AttentionCall& call);

struct SavedMapsOptions {
  SiteFilter sites = {};
  StepWindow steps = {};
  int64_t target = 0;  // the fork has one target; of several, this one's maps
};

/// Hands out the maps of a target's conditional rows, layer by layer and step by step, and keeps
/// none. At the front of a Chain they are those before control, as the fork's. PLMS's second call
/// in its first step is left out.
class SavedMaps final : public AttentionController {
 public:
  using Sink = std::function<void(const SavedMap&)>;

  explicit SavedMaps(Sink sink, SavedMapsOptions options = {})
      : sink_(std::move(sink)), options_(std::move(options)) {}

  AttentionUse use(const AttentionCall& call) const override;
  bool observes(const RowGroup& rows, const AttentionCall& call) const override;
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override;

 private:
  Sink sink_;
  SavedMapsOptions options_;
  std::vector<torch::Tensor> parts_;  // of the layer that is being shown
};

}  // namespace sd
