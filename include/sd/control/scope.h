#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sd/nn/attention_controller.h"

namespace sd {

/// A layer's resolution as users name it (16, 32, ...): the shorter side of its query grid in
/// latent pixels.
inline int64_t resolution(const AttentionCall& call) { return std::min(call.height, call.width); }

/// Which layers and heads a control is restricted to; an empty list means all of them.
struct SiteFilter {
  std::vector<UNetPart> parts = {};
  std::vector<int64_t> resolutions = {};
  std::vector<int64_t> heads = {};

  /// Whether the layer of this call is meant; heads are another matter (see heads_of).
  bool matches(const AttentionCall& call) const;
  /// Whether every layer and head is meant.
  bool is_everywhere() const { return parts.empty() && resolutions.empty() && heads.empty(); }
};

/// Which rows of guidance are meant.
enum class RowChoice { kConditional, kUnconditional, kBoth };
bool includes(RowChoice choice, const RowGroup& rows);

/// Sampler steps from int(begin · N) up to, not including, int(end · N). N is the number of steps
/// S, or S + 1 where Prompt-to-Prompt's published code has one more (its cross-attention schedule).
struct StepWindow {
  double begin = 0;
  double end = 1;
  int64_t extra = 0;  // N = S + extra

  /// Both throw UsageError unless 0 <= begin <= end <= 1.
  static StepWindow steps(double begin, double end);
  static StepWindow cross_steps(double begin, double end);

  bool contains(const StepInfo& step) const;
};

/// When the tokens of a prompt are under control: one window for all, or one for each.
struct TokenSchedule {
  std::vector<StepWindow> windows = {StepWindow{}};

  bool contains(int64_t token, const StepInfo& step) const;
  /// Whether any token is under control in this step.
  bool any(const StepInfo& step) const;
};

/// Equal for all rows, or one for each: the target's row is target · samples + sample.
template <typename T>
using PerRow = std::vector<T>;

}  // namespace sd
