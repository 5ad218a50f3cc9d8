#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// One token and the bytes [begin, end) of the prompt it came from (as the user wrote it, before
/// any normalisation).
struct Token {
  int64_t id = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A prompt as the text encoder sees it.
struct TokenizedPrompt {
  std::vector<int64_t> ids;   // exactly `length`: BOS, tokens, EOS, padding
  std::vector<Token> tokens;  // those kept, in order; tokens[i] stands at ids[i + 1]
  std::vector<Token> cut;     // those that did not fit
};

/// CLIP's byte-pair encoding (49,408 ids), equal to Hugging Face's CLIPTokenizer. The merges are
/// compiled in.
class ClipTokenizer {
 public:
  static constexpr int64_t kBos = 49406;
  static constexpr int64_t kEos = 49407;  // also the padding
  static constexpr int64_t kVocabulary = 49408;

  /// The one instance; built on first use (tens of milliseconds), immutable and shared by threads.
  static const ClipTokenizer& instance();

  /// All tokens of `text` without BOS, EOS or padding. Any bytes are accepted; broken UTF-8 reads
  /// as U+FFFD.
  std::vector<Token> tokenize(std::string_view text) const;

  /// `length` ids (77 for SD v1): BOS, the tokens that fit, EOS, then EOS as padding. Throws
  /// UsageError if length < 2.
  TokenizedPrompt encode(std::string_view text, int64_t length = 77) const;

  /// The text of an id as the vocabulary has it, `</w>` replaced by a space; "<|startoftext|>" for
  /// specials.
  std::string decode(int64_t id) const;

 private:
  ClipTokenizer();
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace sd
