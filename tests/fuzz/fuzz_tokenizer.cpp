#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "sd/core/error.h"
#include "sd/text/clip_tokenizer.h"
#include "sd/text/prompt_choices.h"
#include "sd/text/prompt_reader.h"
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

/// Markup of any kind gives whole chunks and tokens inside them, or a UsageError.
void check_markup(const std::string& text) {
  static const sd::PromptReader reader(
      std::make_shared<sd::ClipTokenizer>(77, sd::ClipTokenizer::kEos), sd::PromptSyntax::kA1111,
      10);
  try {
    const auto prompt = reader.encode(text);
    if (prompt.ids.size() % 77 != 0) std::abort();
    for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
      const auto& token = prompt.tokens[i];
      if (token.begin > token.end || token.end > text.size()) std::abort();
      if (prompt.position(i) >= static_cast<int64_t>(prompt.ids.size())) std::abort();
    }
  } catch (const sd::UsageError&) {
  }
  try {
    sd::expand_choices(text, 1000);
  } catch (const sd::UsageError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const sd::WordPieceTokenizer bert;
  const std::string text(data, data + size);
  check(sd::ClipTokenizer::instance(), text);
  check(bert, text);
  check_markup(text);
  return 0;
}
