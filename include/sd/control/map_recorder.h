#pragma once

#include <torch/types.h>

#include <vector>

#include "sd/control/scope.h"
#include "sd/nn/attention_controller.h"

namespace sd {

/// Attention maps summed over steps, and over `layers` layers of one size.
struct MapSum {
  int64_t layers = 1;
  torch::Tensor
      sum;  // [rows,tokens,h,w] float32, mean over heads; of all parts of a prompt in turn
};

/// What one cross-attention layer paid to each token.
struct LayerMaps {
  AttentionSite site;
  MapSum maps;  // layers is 1
};

struct MapRecorderOptions {
  SiteFilter sites = {};
  /// The source's maps (kind "source") or the targets'. Whether those are the prompts' own or the
  /// applied ones is the place in the Chain.
  RowGroup::Branch branch = RowGroup::Branch::kTarget;
  bool conditional = true;  // false: the rows of the empty or negative prompt
  StepWindow steps = {};
  /// Also keeps sums for so many equal parts of `steps` (0: none).
  int64_t timeline = 0;
};

/// Sums cross-attention probabilities while a batch is sampled: sums are held, never single maps.
/// A step counts once, at the timestep it begins with, however often a sampler calls the UNet. Rows
/// of the sums are target · samples + sample. For one batch.
class MapRecorder final : public AttentionController {
 public:
  explicit MapRecorder(MapRecorderOptions options = {});

  AttentionUse use(const AttentionCall& call) const override;
  StepUse step_use(const StepInfo& step, const std::vector<RowGroup>& rows) const override;
  bool observes(const RowGroup& rows, const AttentionCall& call) const override;
  void observe(const torch::Tensor& probs, const RowGroup& rows,
               const AttentionCall& call) override;

  /// Sums over all recorded steps, layer by layer in the UNet's order.
  const std::vector<LayerMaps>& layers() const { return layers_; }
  /// For each part of the run its sums, one for each grid size: all layers of that size together.
  /// Parts without a recorded step are empty.
  const std::vector<std::vector<MapSum>>& timeline() const { return timeline_; }
  /// For each part of the run its recorded timesteps, in order.
  const std::vector<std::vector<double>>& timeline_timesteps() const { return part_timesteps_; }
  /// The timesteps that were recorded, in order.
  const std::vector<double>& timesteps() const { return timesteps_; }

 private:
  MapRecorderOptions options_;
  std::vector<LayerMaps> layers_;
  std::vector<std::vector<MapSum>> timeline_;
  std::vector<std::vector<double>> part_timesteps_;
  std::vector<double> timesteps_;
};

/// Layers of one part of the UNet and one size, summed: what the fork's visualize_comp draws.
struct PartMaps {
  UNetPart part;
  MapSum maps;
};
std::vector<PartMaps> sum_by_part(const std::vector<LayerMaps>& layers);

/// Heat maps [rows,tokens,height,width] as DAAM makes them (arXiv:2210.04885): each sum resized
/// bicubically, clamped at 0, mean over layers. Sums of several layers are resized as one. Throws
/// UsageError if `sums` is empty.
torch::Tensor heat_maps(const std::vector<MapSum>& sums, int64_t height, int64_t width);
torch::Tensor heat_maps(const std::vector<LayerMaps>& layers, int64_t height, int64_t width);

}  // namespace sd
