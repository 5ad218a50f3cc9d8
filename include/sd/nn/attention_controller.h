#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
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
  int64_t depth = 0;         // transformer block inside the spatial transformer
  int64_t downsampling = 1;  // latent pixels a side that one query stands for: 1, 2, 4, ...
};

/// Consecutive rows of a batch that belong together.
struct RowGroup {
  enum class Branch { kTarget, kSource };
  Branch branch = Branch::kTarget;
  bool conditional = true;  // false: the rows of the empty or negative prompt
  int64_t begin = 0;
  int64_t count = 0;
  int64_t target = 0;    // which of several targets; 0 for the source
  bool pictured = true;  // false: the rows of InstructPix2Pix that are shown no picture
  int64_t part = 0;      // of conditional rows: which of the prompts that are drawn together
};

/// The sampler's place in its run: passed along, never counted by calls.
struct StepInfo {
  int64_t step = 0;  // 0-based sampler step
  int64_t num_steps = 0;
  double timestep = 0;     // DDPM timestep t at which the step begins
  int64_t evaluation = 0;  // UNet call within the step: PLMS makes two in its first step, at
                           // different t; edits treat both alike, observers count the first
};

/// One attention call as a controller sees it.
struct AttentionCall {
  const AttentionSite& site;
  const StepInfo& step;
  const std::vector<RowGroup>& rows;
  int64_t height;  // query grid: Q = height * width latent pixels
  int64_t width;
};

/// What a controller does at one attention call.
enum class AttentionUse {
  kNone,     // the layer runs fused attention as if no controller were there
  kObserve,  // as kNone, to the last bit; the probabilities are computed aside and shown
  kChange,   // the probabilities take the way through the controller
};

/// What a controller does to the attention of a whole step, where that can be told at once.
enum class StepUse {
  kNone,     // nothing to any layer
  kColumns,  // the same to all cross-attention layers and heads: each pixel's probabilities are
             // multiplied by matrices over tokens (ColumnEdit); nothing to other layers
  kOther,
};

/// Sees, and may replace, the probabilities of chosen attention layers. `use` is asked first and
/// must be cheap.
class AttentionController {
 public:
  virtual ~AttentionController() = default;
  virtual AttentionUse use(const AttentionCall& call) const = 0;
  /// Of a step of a batch with these rows. One that says kOther is asked layer by layer.
  virtual StepUse step_use(const StepInfo&, const std::vector<RowGroup>&) const {
    return StepUse::kOther;
  }

  /// Whether `observe` wants these rows of a call; the probabilities of others are not computed.
  virtual bool observes(const RowGroup& rows, const AttentionCall& call) const;
  /// Shows the probabilities [rows.count, heads, Q, K] of one group of rows after softmax. They are
  /// lent for the call: copy what is kept.
  virtual void observe(const torch::Tensor& probs, const RowGroup& rows, const AttentionCall& call);
  /// Changes the probabilities [R, heads, Q, K] of all rows; returns the same shape, dtype and
  /// device. The argument is the controller's own and may be changed in place.
  virtual torch::Tensor apply(torch::Tensor probs, const AttentionCall& call);
};

inline bool AttentionController::observes(const RowGroup& rows, const AttentionCall&) const {
  return rows.conditional;
}
inline void AttentionController::observe(const torch::Tensor&, const RowGroup&,
                                         const AttentionCall&) {}
inline torch::Tensor AttentionController::apply(torch::Tensor probs, const AttentionCall&) {
  return probs;
}

struct ColumnEdit;        // sd/nn/column_edit.h
struct ControlResiduals;  // sd/models/control_residuals.h
class FeatureCache;       // sd/models/feature_cache.h
struct ForwardEdits;      // sd/nn/forward_edits.h
class ImageAttention;     // sd/nn/image_attention.h
class PromptCache;        // sd/nn/prompt_cache.h
class TimeTable;          // sd/nn/time_table.h

/// What a UNet call carries besides its tensors.
struct ForwardContext {
  AttentionController* controller = nullptr;
  StepInfo step;
  std::vector<RowGroup> rows;
  /// Changes cross-attention besides `controller`, which leaves it alone then; half precision on a
  /// GPU. What `prompt` keeps is changed by it.
  const ColumnEdit* columns = nullptr;
  PromptCache* prompt = nullptr;    // null: keys and values of the prompt are made in every call
  TimeTable* times = nullptr;       // null: what the time adds is made in every call
  std::optional<int64_t> time_row;  // of `times`, for a call at one of its timesteps
  /// For each row of the batch, the first row whose latents are the same; empty: not known. Layers
  /// that have not seen the prompt yet compute equal rows once.
  std::vector<int64_t> same_as;
  /// Share of the pixels that is merged before self-attention at the latents' own size (ToMe); 0:
  /// none. There self-attention has probabilities of merged pixels, which no controller may ask
  /// for (UsageError).
  double token_merging = 0;
  FeatureCache* features = nullptr;     // of the deep layers (DeepCache); null: they are computed
  const ForwardEdits* edits = nullptr;  // what guidance does inside of the UNet; null: nothing
  /// Pictures that cross-attention looks at beside the prompt, unseen by controllers; null: none.
  const ImageAttention* images = nullptr;
  const ControlResiduals* residuals = nullptr;  // what control nets add; null: nothing
};

}  // namespace sd
