#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trainer/eval_context.h"
#include "trainer/eval_metrics.h"
#include "trainer/eval_prompts.h"
#include "trainer/scene_caption.h"

namespace sd::train {

struct SwapPrompts {
  Caption source, target;
};

/// Draws sources and their edited versions from common starts.
class SwapDrawer {
 public:
  struct Pictures {
    std::vector<Image> source, target;
  };

  virtual ~SwapDrawer() = default;
  /// What to call it in the report: "without control".
  virtual std::string name() const = 0;
  /// A batch; start [N,4,h,w], a row a pair. kEvalSteps steps, kEvalGuidance.
  virtual Pictures draw(const LoadedModel& model, const std::vector<SwapPrompts>& prompts,
                        const torch::Tensor& start) = 0;
};

/// Two plain pictures from the same start.
std::unique_ptr<SwapDrawer> make_uncontrolled_swap();
/// Prompt-to-Prompt with its published settings: cross-attention for the first 80 % of the steps,
/// self-attention for the first 40 %, local blend by the objects' words after 20 %. The blend looks
/// at the layers of the latents' size: a quarter of it would be four pixels a side here. The new
/// object may fill the old one's box (PromptToPromptOptions::boxes), not its outline alone, and the
/// blend's threshold is the box's, 0.5.
std::unique_ptr<SwapDrawer> make_controlled_swap();

/// What a swap of the object's word should do, pair by pair; largest objects count.
struct SwapJudgement {
  double background = 0;  // mean absolute error outside both boxes, of 255
  double iou = 0;         // of the boxes of old and new object
  bool renamed = false;   // the target's object is of the target's kind
  bool keeps_background() const { return background <= kMostBackground; }
  bool in_place() const { return renamed && iou >= kLeastIou; }

  static constexpr double kMostBackground = 8;
  static constexpr double kLeastIou = 0.6;
};

SwapJudgement judge_swap(const SwapPair& pair, const Image& source, const PictureReading& was,
                         const Image& target, const PictureReading& is);

struct SwapScores {
  std::string drawer;
  int64_t pairs = 0;
  double background = 0;        // mean error, of 255
  double iou = 0;               // mean
  double keeps_background = 0;  // shares of the pairs from here on
  double renamed = 0;
  double in_place = 0;
  double both = 0;  // in place on a kept background
};

/// Draws and judges swap_pairs(n). `sheet` gets source and target of the first pairs, marked.
SwapScores measure_swap(const EvalContext& context, SwapDrawer& drawer, int64_t n, Image& sheet);

}  // namespace sd::train
