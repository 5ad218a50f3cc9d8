#pragma once

#include <cstddef>
#include <vector>

#include "sd/pipeline/control_acts.h"

namespace sd {

/// What the methods of drawings that share it did, but for controllers and guides, which are
/// watched from outside (control_watch.h, guide_watch.h).
struct DrawActs {
  /// `concepts`: how many concepts of a scale other than 0 the settings name.
  explicit DrawActs(bool measuring, std::size_t count = 0) : measures(measuring), concepts(count) {}

  /// Whether to measure what such a method does now: in every call where that is asked for, else up
  /// to the first that changed something, so that one that never does is known.
  bool asks(const ControlActs& acts) const { return measures || !acts.acted(); }

  const bool measures;
  /// Rows that look at others: |y' − y| / |y| of what a layer's rows find in others and would find
  /// in themselves alone, before any controller; and Plug-and-Play's features, not measured.
  ControlActs sharing, features;
  /// An inversion's source: |x − x*| / |x*| of its latents at the end of a step and those of the
  /// path, before it is put back there where the method does that.
  ControlActs path;
  /// Proximal guidance: of differences that are not 0 the share that counts 0.
  ControlActs proximal;
  /// A concept's masks: the share of the pixels that they leave it; |Δε| / |ε| of what it adds to
  /// the unconditional prediction.
  std::vector<ControlActs> concepts;
};

}  // namespace sd
