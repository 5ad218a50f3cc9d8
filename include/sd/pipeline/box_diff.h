#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "sd/control/scope.h"
#include "sd/pipeline/box_guidance.h"
#include "sd/pipeline/refining_guide.h"

namespace sd {

struct BoxDiffOptions : RefiningOptions {
  /// For all rows or for each; a row without words is left alone.
  PerRow<std::vector<BoxedWord>> words;
  double part = 0.2;                   // of a box's pixels those with most count (P)
  std::optional<double> outside_part;  // of the pixels outside; absent: as inside, as published
  /// Whether thresholds ask as well that the most outside be at most 1 − their share. As published
  /// they are of the inside alone, which a thing larger than its box fulfils.
  bool judges_outside = false;
  int64_t around = 1;  // pixels on each side of an edge that the corner constraint looks at (L)
};

/// BoxDiff (Xie et al., arXiv:2307.10816, section 3.2): of a word's shares (word_shares) the most
/// inside of its boxes are to be large, the most outside small, and the shares' projections on both
/// axes are to begin and end where the boxes do. Moved as Attend-and-Excite moves, whose thresholds
/// are of what is inside. Boxes' edges go to the nearest edge of a pixel of the maps.
class BoxDiff final : public RefiningGuide {
 public:
  /// Throws UsageError for options that are out of range.
  explicit BoxDiff(BoxDiffOptions options);

 private:
  Loss loss(const std::vector<CrossMap>& maps, int64_t row) const override;
  bool guides_row(int64_t row) const override { return !words_of(row).empty(); }
  const std::vector<BoxedWord>& words_of(int64_t row) const;

  PerRow<std::vector<BoxedWord>> words_;
  double part_, outside_part_;
  bool judges_outside_;
  int64_t around_;
};

}  // namespace sd
