#pragma once

#include <string_view>

namespace sd {

/// How a control net weighs against the prompt; as sd-webui-controlnet has them.
enum class ControlMode {
  kBalanced,  // every residual as it is, in all rows
  kPrompt,  // residual i of n by 0.825^(n−i), the deepest (n) whole: the prompt is more important
  kControl,  // the same in conditional rows alone ("guess mode"): the net is more important
};

/// "balanced", "prompt", "control": as options spell it.
inline std::string_view name_of(ControlMode mode) {
  switch (mode) {
    case ControlMode::kPrompt:
      return "prompt";
    case ControlMode::kControl:
      return "control";
    case ControlMode::kBalanced:
      break;
  }
  return "balanced";
}

/// How much a net adds, when and how.
struct ControlStrength {
  double weight = 1;
  /// Of the run's n steps, step i (from 0) has the net where begin <= i/n and (i+1)/n <= end.
  double begin = 0, end = 1;
  ControlMode mode = ControlMode::kBalanced;
  bool operator==(const ControlStrength&) const = default;
};

}  // namespace sd
