#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sd/text/guide_words.h"
#include "trainer/edit_measures.h"
#include "trainer/eval_context.h"
#include "trainer/eval_pictures.h"

namespace sd::train {

/// What guides by gradients are measured with.
struct GuideSizes {
  int64_t pairs = 200;  // prompts of two objects, for Attend-and-Excite
  int64_t boxes = 200;  // prompts of one object with a box each
  int64_t skip = 0;  // prompts of each kind that are left out first: settings were chosen on them
};

struct GuideTime {
  double plain = 0, guided = 0;  // seconds a picture
};

/// Prompts of two objects, drawn from the same starts without and with Attend-and-Excite on the two
/// objects' words.
struct ExciteScores {
  Share plain, excited;  // both objects of two
  Mean gain;             // of a prompt: 1 where guidance put it right, −1 where it spoilt it
  GuideTime time;
};

/// Prompts of one object with a box of a size and at a place that scenes have, without and with box
/// guidance: whether the object is the asked one and its box has an IoU of 0.6 with the asked one.
struct BoxScores {
  Share plain, guided;              // in its box
  Share kinds_plain, kinds_guided;  // the asked object, wherever it is
  Mean iou_plain, iou_guided;
  Mean gain, kinds_gain, iou_gain;  // guided less plain, prompt by prompt
  GuideTime time;
};

/// Of one prompt, without and with guidance.
struct GuidedPrompt {
  std::string prompt;
  bool plain = false, guided = false;    // right: both objects, or the object in its box
  double iou_plain = 0, iou_guided = 0;  // of prompts with a box
};

struct GuideReport {
  ExciteScores excite;
  BoxScores boxes;
  std::vector<GuidedPrompt> pairs, singles;
  std::vector<DrawnPrompt> excited, boxed;  // guided pictures
};

/// `words` says scales and layers; its words and boxes are not looked at.
GuideReport measure_guides(const EvalContext& context, const GuideSizes& sizes,
                           const GuideWords& words);

std::string markdown_of(const GuideReport& report);
std::string json_of(const GuideReport& report);

}  // namespace sd::train
