#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sd {

/// One token and the bytes [begin, end) of the prompt it came from (as the user wrote it, before
/// any normalisation).
struct Token {
  int64_t id = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  /// Its bytes are one word whatever stands in them, and all tokens of these bytes belong together:
  /// they are an embedding's (embedded_words.h).
  bool whole = false;
};

/// A prompt as the text encoder sees it, whichever tokenizer made it.
struct TokenizedPrompt {
  /// Exactly `length`: begin (if there is one), tokens, end, padding. Of several parts, each's.
  std::vector<int64_t> ids;
  std::vector<Token> tokens;  // those kept, in order; tokens[i] stands at ids[first + i]
  std::vector<Token> cut;     // those that did not fit
  int64_t first = 1;          // 0 for tokenizers that begin with no id of their own
  /// Where each token stands, if not one behind the other from `first` (prompts in chunks).
  std::vector<int64_t> positions = {};
  /// Tokens that stand elsewhere in some of a run's steps (prompts that change on the way).
  std::vector<Token> moved = {};

  int64_t position(std::size_t token) const {
    return positions.empty() ? first + static_cast<int64_t>(token) : positions[token];
  }

  /// Where the padding begins, behind the end; of a prompt in chunks, which has some in between,
  /// all counts.
  int64_t padding() const {
    return positions.empty() ? first + static_cast<int64_t>(tokens.size()) + 1
                             : static_cast<int64_t>(ids.size());
  }
};

}  // namespace sd
