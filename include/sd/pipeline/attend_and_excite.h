#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "sd/control/scope.h"
#include "sd/pipeline/refining_guide.h"

namespace sd {

struct AttendAndExciteOptions : RefiningOptions {
  /// Positions of each word's tokens, for all rows or for each; a row without words is left alone.
  PerRow<std::vector<std::vector<int64_t>>> words;
};

/// Attend-and-Excite (Chefer et al., arXiv:2301.13826, algorithm 1): the latents are moved so that
/// every word is looked at somewhere. The loss of a word is 1 − its largest share (word_shares),
/// that of a row the largest of its words'.
class AttendAndExcite final : public RefiningGuide {
 public:
  /// Throws UsageError for options that are out of range.
  explicit AttendAndExcite(AttendAndExciteOptions options);

 private:
  Loss loss(const std::vector<CrossMap>& maps, int64_t row) const override;
  bool guides_row(int64_t row) const override { return !words_of(row).empty(); }
  const std::vector<std::vector<int64_t>>& words_of(int64_t row) const;

  PerRow<std::vector<std::vector<int64_t>>> words_;
};

}  // namespace sd
