#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sd/core/error.h"
#include "sd/text/sentence_piece_tokenizer.h"

/// Any bytes are refused, or make a tokenizer whose spans lie inside its texts.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  sd::SentencePieceConfig config;
  config.padding = "[PAD]";
  config.specials = {"[PAD]", "</s>"};
  const std::string bytes(data, data + size);
  const std::string text = "a photo of \uff26\u2460  \u96ea\u306e\u4e2d\u306e\u732b [PAD]\xff";
  try {
    const sd::SentencePieceTokenizer tokenizer(bytes, "input", config, 77);
    for (const auto& token : tokenizer.tokenize(text)) {
      if (token.begin > token.end || token.end > text.size()) std::abort();
      if (tokenizer.decode(token.id).empty()) std::abort();
    }
  } catch (const sd::CheckpointError&) {
  }
  return 0;
}
