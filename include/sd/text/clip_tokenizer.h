#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/tokenizer.h"

namespace sd {

/// CLIP's byte-pair encoding (49,408 ids), equal to Hugging Face's CLIPTokenizer. The merges are
/// compiled in.
class ClipTokenizer final : public Tokenizer {
 public:
  static constexpr int64_t kBos = 49406;
  static constexpr int64_t kEos = 49407;  // also the padding, but for SD 2
  static constexpr int64_t kVocabulary = 49408;

  /// For a text encoder of `length` ids. The first one reads the merges (tens of milliseconds),
  /// later ones share them.
  explicit ClipTokenizer(int64_t length = 77, int64_t padding = kEos);

  /// SD v1's.
  static const ClipTokenizer& instance();

  std::vector<Token> tokenize(std::string_view text) const override;

  /// `</w>` of the vocabulary is replaced by a space; "<|startoftext|>" and "<|endoftext|>" for
  /// specials.
  std::string decode(int64_t id) const override;

  int64_t vocabulary() const override { return kVocabulary; }

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace sd
