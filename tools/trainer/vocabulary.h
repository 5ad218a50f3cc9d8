#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace sd::train {

/// The few CLIP ids that captions use, numbered from 0: an embedding of hundreds of rows instead of
/// 49,408 while training.
class CompactVocabulary {
 public:
  /// `ids`: every id there is, in any shape and number.
  explicit CompactVocabulary(const torch::Tensor& ids);

  int64_t size() const { return rows_.numel(); }
  const torch::Tensor& rows() const { return rows_; }  // [size] int64, ascending CLIP ids
  /// CLIP's ids → int64 numbers in [0, size). Ids that are unknown become the end-of-text token's.
  torch::Tensor compact(const torch::Tensor& ids) const;
  /// The rows of a compact embedding [size,width] where CLIP's vocabulary has them, the others 0.
  torch::Tensor expand(const torch::Tensor& embedding) const;

 private:
  torch::Tensor rows_, numbers_;
};

}  // namespace sd::train
