#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/tokenized_prompt.h"

namespace sd {

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
