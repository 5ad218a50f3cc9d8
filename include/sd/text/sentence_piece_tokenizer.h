#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/model_config.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// SentencePiece (arXiv:1808.06226) as the T5 tokenizers of transformers use it: pieces and an end,
/// no begin. Computed by libsentencepiece.
class SentencePieceTokenizer final : public Tokenizer {
 public:
  /// Of the file that `config` names, for a text encoder of `length` ids. Throws IoError if it
  /// cannot be read, CheckpointError if it is no SentencePiece model or lacks a piece that `config`
  /// names.
  SentencePieceTokenizer(const SentencePieceConfig& config, int64_t length);
  /// Of the bytes of a spiece.model; `label` stands for the file in messages.
  SentencePieceTokenizer(std::string_view bytes, const std::string& label,
                         const SentencePieceConfig& config, int64_t length);

  /// The white space that begins a piece belongs to no token; a piece of nothing else stands at the
  /// space itself, or at the start of the text with no bytes of its own.
  std::vector<Token> tokenize(std::string_view text) const override;

  /// "\u2581red": the mark stands for a space.
  std::string decode(int64_t id) const override;

  int64_t vocabulary() const override;

 private:
  struct Model;
  SentencePieceTokenizer(std::shared_ptr<const Model> model, const SentencePieceConfig& config,
                         int64_t length);

  std::shared_ptr<const Model> model_;
};

}  // namespace sd
