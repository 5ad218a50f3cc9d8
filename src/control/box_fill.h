#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace sd {

/// Fills the box around the pixels that look at some tokens; probabilities are
/// [N,heads,height·width,K]. Let S be the pixels of a sample whose attention to `tokens` (summed
/// over tokens, mean over heads) exceeds `threshold` times the largest such attention in the
/// sample. Every other pixel in the bounding box of S gets the mean attention row of S, head by
/// head. Rows stay distributions. Returns a new tensor. Throws UsageError for tokens outside [0,K).
torch::Tensor fill_box(const torch::Tensor& probs, const std::vector<int64_t>& tokens,
                       int64_t height, int64_t width, double threshold);

}  // namespace sd
