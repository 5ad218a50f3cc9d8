#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "trainer/classifier.h"
#include "trainer/run_context.h"
#include "trainer/scene.h"

namespace sd::train {

struct ClassifierRun {
  int64_t pictures = 120'000;
  uint64_t seed = 1;
  std::filesystem::path init;  // go on from this classifier; empty: from nothing
};

/// Trains a classifier on composed scenes (Split::kTrain) that are made to look drawn. Minutes.
/// Throws Cancelled if stopped, and what load_classifier() throws.
Classifier train_classifier(const RunContext& run, const SceneGenerator& scenes,
                            const ClassifierRun& settings);

/// How a classifier reads composed scenes; shares in [0,1].
struct ClassifierAccuracy {
  int64_t scenes = 0;
  double objects = 0;      // of all objects: one of the kind was found
  double single = 0;       // of scenes with one object: the largest found is of its kind
  double both = 0;         // of scenes with two: both were found
  double tints = 0;        // of objects found: the tint, or that there is none
  double named_tints = 0;  // of tinted objects found
  double backgrounds = 0;  // of all scenes
  double exact = 0;        // of all scenes: the objects in them and no others
  double box_iou = 0;      // mean, of objects found
};

/// Measures scenes 0 to n-1 of `seed` (Split::kHeldOut): as composed, or as `change` makes them.
ClassifierAccuracy measure_classifier(Classifier& classifier, const SceneGenerator& scenes,
                                      int64_t n, uint64_t seed,
                                      const std::function<Image(Image)>& change = {});

/// "objects 98.7 %, …" in one line.
std::string summary_of(const ClassifierAccuracy& accuracy);

}  // namespace sd::train
