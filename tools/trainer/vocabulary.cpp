#include "trainer/vocabulary.h"

#include <ATen/ops/_unique.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "sd/text/clip_tokenizer.h"

namespace sd::train {

CompactVocabulary::CompactVocabulary(const torch::Tensor& ids) {
  rows_ = std::get<0>(at::_unique(ids.flatten().to(at::kLong), /*sorted=*/true));
  // The end-of-text token is the largest id, so it stands last.
  numbers_ = at::full({ClipTokenizer::kVocabulary}, rows_.numel() - 1, at::kLong);
  numbers_.index_put_({rows_}, at::arange(rows_.numel(), at::kLong));
}

torch::Tensor CompactVocabulary::compact(const torch::Tensor& ids) const {
  return numbers_.index({ids.to(at::kLong)});
}

torch::Tensor CompactVocabulary::expand(const torch::Tensor& embedding) const {
  auto whole = at::zeros({ClipTokenizer::kVocabulary, embedding.size(1)}, embedding.options());
  whole.index_put_({rows_}, embedding);
  return whole;
}

}  // namespace sd::train
