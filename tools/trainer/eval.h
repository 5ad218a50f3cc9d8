#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "trainer/eval_attention.h"
#include "trainer/eval_context.h"
#include "trainer/eval_pictures.h"
#include "trainer/eval_swap.h"

namespace sd::train {

struct EvalSizes {
  int64_t prompts = 500;
  int64_t scenes = 200;  // for attention
  int64_t pairs = 200;   // for swaps
  int64_t classifier_scenes = 1000;
  int64_t coded_scenes = 200;  // that go through the model's autoencoder
};

/// Everything that was measured of one model.
struct EvalReport {
  std::string model;  // what the user called it
  int64_t kinds = 0;  // that were asked for
  ClassifierAccuracy classifier, coded;
  std::vector<DrawnPrompt> drawn;
  PictureScores pictures;
  AttentionScores attention;
  std::vector<SwapScores> swaps;
  double seconds = 0;
};

/// Measures a model and writes into `folder` (made if absent): report.md, report.json, sheet.png
/// (what is wrong is marked), swap-0.png and so on, one for each drawer. Throws IoError, Cancelled.
EvalReport evaluate(const EvalContext& context, const std::string& model, const EvalSizes& sizes,
                    const std::vector<std::unique_ptr<SwapDrawer>>& drawers,
                    const std::filesystem::path& folder);

}  // namespace sd::train
