#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace sd {

enum class AttentionKind { kSelf, kCross };
enum class UNetPart { kDown, kMiddle, kUp };

/// Where an attention module stands in the UNet; fixed when the UNet is built.
struct AttentionSite {
  AttentionKind kind = AttentionKind::kCross;
  UNetPart part = UNetPart::kDown;
  int64_t block =
      0;  // index in input_blocks / output_blocks as checkpoints number them; 1 in middle_block
  int64_t depth = 0;  // transformer block inside the spatial transformer
};

/// Consecutive rows of a UNet batch that belong together.
struct RowGroup {
  enum class Branch { kTarget, kSource };
  Branch branch = Branch::kTarget;
  bool conditional = true;  // false: the rows of the empty or negative prompt
  int64_t begin = 0;
  int64_t count = 0;
};

/// The sampler's place in its run: passed along, never counted by calls (PLMS and Heun call the
/// UNet twice in a step).
struct StepInfo {
  int64_t step = 0;  // 0-based sampler step
  int64_t num_steps = 0;
  double timestep = 0;  // DDPM timestep t of this UNet call
};

/// One attention call as a controller sees it.
struct AttentionCall {
  const AttentionSite& site;
  const StepInfo& step;
  const std::vector<RowGroup>& rows;
  int64_t height;  // query grid: Q = height * width latent pixels
  int64_t width;
};

/// Sees, and may replace, the probabilities of chosen attention layers. `wants` is asked first and
/// must be cheap: where it answers no, the layer runs fused attention as if no controller were
/// there.
class AttentionController {
 public:
  virtual ~AttentionController() = default;
  virtual bool wants(const AttentionCall& call) const = 0;
  /// `probs` [R, heads, Q, K] softmax output; returns probabilities of the same shape, dtype and
  /// device.
  virtual torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) = 0;
};

/// What a UNet call carries besides its tensors.
struct ForwardContext {
  AttentionController* controller = nullptr;
  StepInfo step;
  std::vector<RowGroup> rows;
};

}  // namespace sd
