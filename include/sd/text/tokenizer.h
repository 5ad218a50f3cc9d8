#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sd/text/tokenized_prompt.h"

namespace sd {

struct TextConfig;  // sd/core/model_config.h

/// The ids that stand around a prompt's tokens.
struct SpecialIds {
  std::optional<int64_t> begin;  // absent: prompts begin with their first token
  int64_t end = 0;
  int64_t padding = 0;  // fills what is left behind the end
};

/// What turns a prompt into the ids that a text encoder takes. Immutable; may be shared by threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// All tokens of `text` without the ids around them. Any bytes are accepted; broken UTF-8 reads
  /// as U+FFFD.
  virtual std::vector<Token> tokenize(std::string_view text) const = 0;

  /// `text` as its words are looked for: byte for byte where they stand, with spaces in place of
  /// what is not read.
  virtual std::string readable(std::string_view text) const { return std::string(text); }

  /// How an id reads: as the vocabulary spells it, specials too. Throws UsageError if it is outside
  /// [0, vocabulary()).
  virtual std::string decode(int64_t id) const = 0;

  /// How many ids there are.
  virtual int64_t vocabulary() const = 0;

  /// `length` ids: begin, the tokens that fit, end, padding. Throws UsageError if length < 2.
  TokenizedPrompt encode(std::string_view text, int64_t length) const;
  /// As many as the text encoder takes.
  virtual TokenizedPrompt encode(std::string_view text) const { return encode(text, length_); }

  /// How many ids the text encoder takes (77 for SD v1).
  int64_t length() const { return length_; }
  const SpecialIds& specials() const { return specials_; }

 protected:
  Tokenizer(const SpecialIds& specials, int64_t length) : specials_(specials), length_(length) {}
  Tokenizer(const Tokenizer&) = default;
  Tokenizer& operator=(const Tokenizer&) = default;

 private:
  SpecialIds specials_;
  int64_t length_;
};

/// The tokenizer of a model with this text encoder. Throws CheckpointError if it makes ids that the
/// encoder does not know, and for a file of its own that is damaged (IoError if it is not there).
std::shared_ptr<const Tokenizer> make_tokenizer(const TextConfig& text);

}  // namespace sd
