#pragma once

#include <cstdint>
#include <vector>

namespace sd {

/// Where a target prompt's tokens take their attention from: token b from the source's token
/// indices[b] where mask[b] is 1, from itself where it is 0. The fork's difflib alignment, or
/// Prompt-to-Prompt's refinement (mapper and alphas).
struct TokenAlignment {
  std::vector<float> mask;       // 0 or 1 a token
  std::vector<int64_t> indices;  // as long as mask; looked at where mask is 1
};

/// Prompt-to-Prompt's replacement: A_new[n] = Σ_w A_source[w] · M[w,n] (arXiv:2208.01626, section
/// 3.2 with tokens of unequal number). Rows of M that sum to 1 keep the sums of attention.
struct TokenMatrix {
  int64_t tokens = 0;         // M is tokens × tokens
  std::vector<float> values;  // row-major, M[w,n] at w · tokens + n
};

}  // namespace sd
