#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "trainer/scene_spec.h"

namespace sd::train {

/// What a piece of a caption speaks of.
enum class WordRole { kObject, kTint, kBackground, kPlace };

/// The bytes [begin, end) of a caption that name an object ("smiling face"), its tint, the
/// background's colour or the place ("to the left of").
struct CaptionWord {
  WordRole role = WordRole::kObject;
  int object = kAbsent;  // index of the object; kAbsent for background and place
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Caption {
  std::string text;
  std::vector<CaptionWord> words;  // in the caption's order
};

/// The number of phrasings for scenes of `objects` (1 or 2) objects.
int phrase_count(std::size_t objects);

/// The caption of a scene as spec.phrasing has it. Throws UsageError if there is no such phrase.
Caption caption_of(const SceneSpec& spec);

}  // namespace sd::train
