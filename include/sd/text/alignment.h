#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/tokenized_prompt.h"

namespace sd {

/// A prompt with its tokens; K below is the number of its ids (77 for SD v1). Only looks at both.
struct PromptView {
  std::string_view text;
  const TokenizedPrompt& tokens;
};

/// Which map each target token takes in the fork's `swap`:
/// A = (1 − mask)·A_target + mask·A_source[…, indices].
struct TokenAlignment {
  std::vector<double> mask;      // [K], 1: the source's map, 0: the target's own
  std::vector<int64_t> indices;  // [K], tokens of the source; 0 where the mask is 0
};

/// The fork's alignment of two sequences of ids, padding included: Python's
/// difflib.SequenceMatcher(None, source, target). Stretches that are equal, or replaced by as many
/// ids, are aligned in order; all others keep the target's own map.
TokenAlignment align_ids(std::span<const int64_t> source, std::span<const int64_t> target);

/// Which map each target token takes in Prompt-to-Prompt's refinement (arXiv:2208.01626, section
/// 3.2): A = alphas·A_source[…, mapper] + (1 − alphas)·A_target.
struct TokenRefinement {
  static constexpr int64_t kNew = -1;  // a token that the source has not
  std::vector<int64_t> mapper;         // [K], tokens of the source or kNew; padding maps to itself
  std::vector<double> alphas;          // [K], 0 where the mapper is kNew, else 1
};

/// Needleman–Wunsch over the tokens from BOS to EOS (gap 0, match +1, mismatch −1; where several
/// alignments are best, the one with new tokens furthest to the right). Throws UsageError if the
/// prompts have not the same number of ids.
TokenRefinement refine_tokens(const TokenizedPrompt& source, const TokenizedPrompt& target);

/// A word of the source and the one in its place in the target. Positions are indices of ids; empty
/// if the word was cut off.
struct ReplacedWord {
  std::string source;
  std::string target;
  std::vector<int64_t> source_positions;
  std::vector<int64_t> target_positions;
};

/// How Prompt-to-Prompt's word replacement passes the source's attention on:
/// A_new[p, n] = Σ_w A_source[p, w]·matrix[w, n].
struct WordReplacement {
  int64_t length = 0;               // K
  std::vector<double> matrix;       // [K, K], row-major; row: source token, column: target token
  std::vector<ReplacedWord> words;  // those that differ, in order

  double at(int64_t source, int64_t target) const {
    return matrix[static_cast<std::size_t>(source * length + target)];
  }
};

/// The replacement matrix of two prompts with the same number of words (arXiv:2208.01626, section
/// 3.2). A word's tokens map one to one if both words have equally many, else each spreads evenly
/// over the target's; the rest maps in order. Where one prompt runs out of positions, its last one
/// stands for what remains of the other, so every row sums to 1. Throws UsageError if the numbers
/// of words or ids differ.
WordReplacement replace_words(const PromptView& source, const PromptView& target);

enum class AlignmentMode {
  kFork,     // align_ids
  kReplace,  // replace_words
  kRefine,   // refine_tokens
};

/// How Prompt-to-Prompt edits this pair: kReplace if both have the same number of words (split at
/// white space), else kRefine.
AlignmentMode prompt_to_prompt_mode(std::string_view source, std::string_view target);

}  // namespace sd
