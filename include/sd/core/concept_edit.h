#pragma once

#include <string>

#include "sd/core/step_share.h"

namespace sd {

/// A concept that is added to pictures or taken out of them while they are drawn: semantic guidance
/// (SEGA, arXiv:2301.12247) within masks of its own (LEDITS++, arXiv:2311.16711, eq. 8 to 11).
struct ConceptEdit {
  std::string concept_text;
  double scale = 5;  // what ε_e − ε_u is multiplied by; negative: the concept is taken out
  double threshold =
      0.9;  // λ, 0 to 1: the share of the pixels that each of the two masks leaves out
  StepShare steps = {};  // those it acts in; a later begin is the papers' warm-up

  bool operator==(const ConceptEdit&) const = default;
};

}  // namespace sd
