#include "sd/text/tokenizer.h"

#include <fmt/format.h>

#include "sd/core/error.h"
#include "sd/core/model_config.h"
#include "sd/text/clip_tokenizer.h"
#include "sd/text/sentence_piece_tokenizer.h"
#include "sd/text/word_piece_tokenizer.h"

namespace sd {

TokenizedPrompt Tokenizer::encode(std::string_view text, int64_t length) const {
  if (length < 2) {
    throw UsageError(fmt::format(
        "a prompt needs room for its start and its end: at least 2 ids, not {}", length));
  }
  TokenizedPrompt prompt;
  prompt.tokens = tokenize(text);
  prompt.first = specials_.begin ? 1 : 0;
  const auto room = static_cast<std::size_t>(length - prompt.first - 1);
  if (prompt.tokens.size() > room) {
    const auto first_cut = prompt.tokens.begin() + static_cast<std::ptrdiff_t>(room);
    prompt.cut.assign(first_cut, prompt.tokens.end());
    prompt.tokens.erase(first_cut, prompt.tokens.end());
  }
  prompt.ids.reserve(static_cast<std::size_t>(length));
  if (specials_.begin) prompt.ids.push_back(*specials_.begin);
  for (const Token& token : prompt.tokens) prompt.ids.push_back(token.id);
  prompt.ids.push_back(specials_.end);
  prompt.ids.resize(static_cast<std::size_t>(length), specials_.padding);
  return prompt;
}

namespace {

std::shared_ptr<const Tokenizer> tokenizer_of(const TextConfig& text) {
  switch (text.tokenizer) {
    case TokenizerKind::kClip:
      return std::make_shared<ClipTokenizer>(text.positions, text.padding);
    case TokenizerKind::kWordPiece:
      return std::make_shared<WordPieceTokenizer>(text.positions);
    case TokenizerKind::kSentencePiece:
      return std::make_shared<SentencePieceTokenizer>(text.sentence_piece, text.positions);
  }
  throw Error("no tokenizer of this kind");
}

}  // namespace

std::shared_ptr<const Tokenizer> make_tokenizer(const TextConfig& text) {
  auto tokenizer = tokenizer_of(text);
  if (tokenizer->vocabulary() <= text.vocabulary) return tokenizer;
  throw CheckpointError(fmt::format(
      "the text encoder knows {} tokens, its tokenizer makes {}: they do not belong together",
      text.vocabulary, tokenizer->vocabulary()));
}

}  // namespace sd
