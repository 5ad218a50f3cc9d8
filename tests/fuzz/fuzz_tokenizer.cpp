#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sd/text/clip_tokenizer.h"
#include "sd/text/word_piece_tokenizer.h"
#include "sd/text/words.h"

namespace {

/// Any bytes give 77 ids of the vocabulary and spans inside the text, and cutting loses no token.
void check(const sd::Tokenizer& tokenizer, const std::string& text) {
  const auto prompt = tokenizer.encode(text);
  const auto& specials = tokenizer.specials();
  if (prompt.ids.size() != 77 || prompt.ids.front() != specials.begin) std::abort();
  if (prompt.tokens.size() > 75) std::abort();
  if (prompt.ids[prompt.tokens.size() + 1] != specials.end) std::abort();
  for (std::size_t i = prompt.tokens.size() + 2; i < 77; ++i) {
    if (prompt.ids[i] != specials.padding) std::abort();
  }
  if (!prompt.cut.empty() && prompt.tokens.size() != 75) std::abort();
  for (const auto* tokens : {&prompt.tokens, &prompt.cut}) {
    for (const auto& token : *tokens) {
      if (token.begin >= token.end || token.end > text.size()) std::abort();
      if (tokenizer.decode(token.id).empty()) std::abort();
    }
  }
  const sd::PromptWords words(text, prompt);
  for (const auto& word : words.words()) {
    for (const auto position : word.positions) {
      if (position < 1 || position > static_cast<int64_t>(prompt.tokens.size())) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const sd::WordPieceTokenizer bert;
  const std::string text(data, data + size);
  check(sd::ClipTokenizer::instance(), text);
  check(bert, text);
  return 0;
}
