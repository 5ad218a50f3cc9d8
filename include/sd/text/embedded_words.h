#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/word_embedding.h"
#include "sd/text/tokenizer.h"

namespace sd {

/// A tokenizer that knows learnt words beside those of a model's own. Wherever the tokens of one's
/// name stand in a text, the longest name first, as AUTOMATIC1111's web UI has it, its vectors
/// take their place: as many tokens, which come from the same bytes and are one word. Their ids
/// follow the vocabulary's, embedding by embedding.
class EmbeddedWords final : public Tokenizer {
 public:
  /// Throws UsageError for a name that is no word to the tokenizer, for two embeddings of one name,
  /// and for more vectors than a prompt has room for.
  EmbeddedWords(std::shared_ptr<const Tokenizer> tokenizer, std::vector<WordEmbedding> embeddings);

  std::vector<Token> tokenize(std::string_view text) const override;
  std::string readable(std::string_view text) const override { return tokenizer_->readable(text); }
  /// The name of an embedding for its ids.
  std::string decode(int64_t id) const override;
  int64_t vocabulary() const override { return first_id() + vectors_; }

  /// The id of the first vector.
  int64_t first_id() const { return tokenizer_->vocabulary(); }
  const std::vector<WordEmbedding>& embeddings() const { return embeddings_; }
  /// Of each id from first_id on: [vectors,width].
  std::vector<float> values() const;
  /// The place in embeddings() that an id belongs to; it is first_id or above.
  std::size_t embedding_of(int64_t id) const;

 private:
  struct Name {
    std::vector<int64_t> ids;  // its tokens
    std::size_t embedding;
  };
  void add_name(const std::string& name, std::size_t embedding);
  const Name* name_at(const std::vector<Token>& tokens, std::size_t first) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<WordEmbedding> embeddings_;
  std::vector<int64_t> begins_;  // the first id of each, counted from first_id
  int64_t vectors_ = 0;
  std::vector<Name> names_;  // the longest first
};

}  // namespace sd
