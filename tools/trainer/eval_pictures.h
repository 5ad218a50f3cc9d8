#pragma once

#include <string>
#include <vector>

#include "trainer/classifier_stage.h"
#include "trainer/eval_context.h"
#include "trainer/eval_metrics.h"

namespace sd::train {

/// A prompt, its picture and what was made of it.
struct DrawnPrompt {
  SceneSpec spec;
  std::string prompt;
  Image picture;
  PictureReading reading;
  Judgement judgement;
};

/// Draws the captions of `specs` with guidance 5 and 25 DDIM steps, and reads the pictures.
std::vector<DrawnPrompt> draw_prompts(const EvalContext& context,
                                      const std::vector<SceneSpec>& specs);

/// `right` of `of`.
struct Share {
  int64_t right = 0;
  int64_t of = 0;
  double value() const { return of > 0 ? static_cast<double>(right) / static_cast<double>(of) : 0; }
};

struct PictureScores {
  Share objects;      // all objects of all prompts
  Share single;       // prompts with one object
  Share backgrounds;  // prompts
  Share tints;        // tints in prompts
  Share both;         // prompts with two objects
  Share place;        // of those where both are right
  Share all_right;    // prompts: everything
};

PictureScores score(const std::vector<DrawnPrompt>& drawn);

/// The classifier on unseen composed scenes that went through the model's autoencoder: how much of
/// what it gets wrong is blur.
ClassifierAccuracy measure_coded(const EvalContext& context, int64_t n);

/// Pictures with what was asked for and, marked in red, what is wrong; the first `most` of them.
Image contact_sheet(const std::vector<DrawnPrompt>& drawn, std::size_t most);

}  // namespace sd::train
