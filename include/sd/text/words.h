#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/tokenized_prompt.h"

namespace sd {

/// A word as the prompt shows it between spaces and punctuation. Apostrophes and hyphens inside
/// belong to it: "rembrandt's" and "tiger-striped" are words. A symbol such as an emoji is a word
/// too, also where it touches others; scripts without spaces (Chinese, Japanese, Thai) have the
/// words that the tokenizer divides them into. The name of an embedding is one word.
struct PromptWord {
  std::string text;
  int64_t occurrence = 1;  // from 1, among words that differ in case at most
  std::size_t begin = 0;   // bytes [begin, end) of the prompt
  std::size_t end = 0;
  std::vector<int64_t> positions;  // indices of ids (0 is the first) of its tokens, those kept
  bool cut = false;                // tokens of it did not fit
  bool moves = false;              // its tokens do not stand still for the whole run
};

/// The words of a prompt and where their tokens stand. Works for every tokenizer that keeps the
/// bytes its tokens came from.
class PromptWords {
 public:
  explicit PromptWords(std::string prompt, const TokenizedPrompt& tokens);

  /// All of them, in order, those cut off included.
  const std::vector<PromptWord>& words() const { return words_; }

  /// The positions, ascending, of the tokens that `query` names. A query is a word ("cat": every
  /// time it occurs), a phrase of consecutive words ("red car"; words that touch each other are
  /// written without a space), one occurrence of a word or phrase ("cat#2"), or the index of a
  /// token ("@8"). Case and punctuation around words do not count, and what was cut off counts as
  /// not there. Throws UsageError, listing the words there are, if nothing is left.
  std::vector<int64_t> find(std::string_view query) const;

  /// "A, photo, of, a(2), house": the words that fitted, with the number of a repeated one.
  std::string list() const;

 private:
  struct Query;
  [[noreturn]] void fail_not_found(const Query& query) const;
  struct Place {  // words_[first] to words_[end - 1]
    std::size_t first;
    std::size_t end;
  };
  std::optional<std::size_t> end_of(const std::vector<std::string>& phrase,
                                    std::size_t first) const;
  std::vector<Place> places_of(const std::vector<std::string>& phrase) const;
  int64_t position_of(const Query& query) const;

  std::string prompt_;
  std::vector<PromptWord> words_;
  std::vector<std::string> folded_;              // words_ as they are compared
  std::vector<std::vector<std::string>> parts_;  // of those, most have one
  int64_t length_ = 0;                           // of the ids
};

}  // namespace sd
