#include "control/token_transfer.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>

#include "sd/core/error.h"

namespace sd {

TokenTransfer::TokenTransfer(const TokenAlignment& alignment)
    : tokens_(static_cast<int64_t>(alignment.mask.size())) {
  add_copies(alignment.mask, alignment.indices);
}

TokenTransfer::TokenTransfer(const TokenRefinement& refinement)
    : tokens_(static_cast<int64_t>(refinement.alphas.size())) {
  add_copies(refinement.alphas, refinement.mapper);
}

void TokenTransfer::add_copies(const std::vector<double>& mask,
                               const std::vector<int64_t>& indices) {
  if (indices.size() != mask.size()) {
    throw UsageError(fmt::format("token alignment: {} mask values, but {} indices", mask.size(),
                                 indices.size()));
  }
  for (int64_t b = 0; b < tokens_; ++b) {
    const double taken = mask[static_cast<std::size_t>(b)];
    const int64_t index = indices[static_cast<std::size_t>(b)];
    if (taken == 0) continue;
    if (taken != 1 || index < 0 || index >= tokens_) {
      throw UsageError(
          fmt::format("token alignment: token {} has mask {} and index {}; expected 0 or 1, and "
                      "an index below {}",
                      b, taken, index, tokens_));
    }
    add_copy(b, index);
  }
}

TokenTransfer::TokenTransfer(const WordReplacement& replacement) : tokens_(replacement.length) {
  if (tokens_ < 1 || static_cast<int64_t>(replacement.matrix.size()) != tokens_ * tokens_) {
    throw UsageError(fmt::format("word replacement: {} values, expected {} x {}",
                                 replacement.matrix.size(), tokens_, tokens_));
  }
  const auto entry = [&](int64_t w, int64_t n) { return replacement.at(w, n); };
  for (int64_t n = 0; n < tokens_; ++n) {
    int64_t used = 0, last = 0;
    for (int64_t w = 0; w < tokens_; ++w) {
      if (entry(w, n) != 0) ++used, last = w;
    }
    if (used == 1 && entry(last, n) == 1) {
      add_copy(n, last);
    } else {
      mixed_tokens_.push_back(n);
    }
  }
  for (int64_t w = 0; w < tokens_; ++w) {
    for (const int64_t n : mixed_tokens_) mixed_weights_.push_back(entry(w, n));
  }
}

void TokenTransfer::add_copy(int64_t target, int64_t source) {
  if (!copies_.empty()) {
    auto& last = copies_.back();
    if (last.target + last.length == target && last.source + last.length == source) {
      ++last.length;
      return;
    }
  }
  copies_.push_back({target, source, 1});
}

void TokenTransfer::apply(const torch::Tensor& target, const torch::Tensor& source,
                          const std::function<bool(int64_t token)>& active) const {
  if (target.size(-1) != tokens_) {
    throw UsageError(fmt::format("attention over {} tokens, but the prompts were aligned over {}",
                                 target.size(-1), tokens_));
  }
  for (const auto& copy : copies_) {
    for (int64_t i = 0; i < copy.length;) {
      int64_t length = 0;
      while (i + length < copy.length && active(copy.target + i + length)) ++length;
      if (length > 0) {
        target.narrow(-1, copy.target + i, length)
            .copy_(source.narrow(-1, copy.source + i, length));
      }
      i += length + 1;
    }
  }
  if (std::none_of(mixed_tokens_.begin(), mixed_tokens_.end(), active)) return;
  const auto count = static_cast<int64_t>(mixed_tokens_.size());
  const auto weights = at::tensor(mixed_weights_, at::kFloat).view({tokens_, count});
  const auto mixed = at::matmul(source, weights.to(source.options()));  // [...,mixed tokens]
  for (int64_t c = 0; c < count; ++c) {
    const int64_t token = mixed_tokens_[static_cast<std::size_t>(c)];
    if (active(token)) target.select(-1, token).copy_(mixed.select(-1, c));
  }
}

}  // namespace sd
