#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/tokenizer.h"

namespace sd {

/// BERT's WordPiece (arXiv:1810.04805) of bert-base-uncased (30,522 ids), equal to Hugging Face's
/// BertTokenizerFast: lower case without accents, words split at white space, punctuation and
/// around Chinese characters, each word cut into the longest pieces from its start. The vocabulary
/// is compiled in.
class WordPieceTokenizer final : public Tokenizer {
 public:
  static constexpr int64_t kPadding = 0;    // [PAD]
  static constexpr int64_t kUnknown = 100;  // [UNK]: words that the vocabulary cannot spell
  static constexpr int64_t kBegin = 101;    // [CLS]
  static constexpr int64_t kEnd = 102;      // [SEP]
  static constexpr int64_t kVocabulary = 30522;

  /// For a text encoder of `length` ids. The first one reads the vocabulary (milliseconds), later
  /// ones share it.
  explicit WordPieceTokenizer(int64_t length = 77);

  /// Control characters and accents belong to no token.
  std::vector<Token> tokenize(std::string_view text) const override;

  /// "snow", "##wy", "[SEP]".
  std::string decode(int64_t id) const override;

  int64_t vocabulary() const override { return kVocabulary; }

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace sd
