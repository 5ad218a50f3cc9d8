#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/plan/control_plan.h"

namespace sd::cli {

/// What a control did in a run.
struct ControlOutcome {
  /// A layer, with the size of its query grid.
  struct Layer {
    LayerName::Part part = LayerName::Part::kMiddle;
    int64_t block = 0, height = 0, width = 0;
  };
  struct Loss {
    double first = 0, last = 0;
  };

  std::vector<int64_t> steps;  // from 0, in which it changed something
  int64_t num_steps = 0;       // of a batch
  std::vector<Layer> layers;   // that it changed
  bool all_cross = false;      // in all cross-attention alike, where it is not measured
  /// How much it moved what it changes (ControlWatch, DrawActs, GuideWatch), in the mean and at
  /// most; absent: not measured.
  std::optional<double> moved, most;
  std::optional<Layer> most_at;
  /// Of a blend, a mask or a concept's masks: the share of the picture in which targets could
  /// differ, in the mean over pictures (of a blend, in their last step).
  std::optional<double> editable;
  /// Of a region, or of the source's object that MasaCtrl keeps apart: its share of the picture.
  std::optional<double> covers;
  std::optional<double> dropped;       // of proximal guidance: the share of the differences
  std::optional<Loss> loss;            // of a guide, before it moved anything and at its end
  std::optional<int64_t> evaluations;  // of the UNet that a guide took, a row each

  bool acted() const { return !steps.empty(); }
};

/// The line of kind "control" that docs/json.md describes; without an outcome, what is planned.
std::string control_json_line(const PlannedControl& control, const ControlOutcome* outcome);

/// What is planned, for a person: "--self-steps: in 9 of 16 layers (16x16 and below), …".
std::string planned_text(const PlannedControl& control);
/// What was done: "--reweight cat (token 2): steps 1 to 50 of 50, 16 layers; moved …".
std::string outcome_text(const PlannedControl& control, const ControlOutcome& outcome);

/// What to say of a control that changed nothing; empty where it did.
std::string idle_notice(const PlannedControl& control, const ControlOutcome& outcome);

}  // namespace sd::cli
