#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sd/text/clip_tokenizer.h"

/// Any bytes give 77 ids of the vocabulary and spans inside the text, and cutting loses no token.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto& clip = sd::ClipTokenizer::instance();
  const std::string text(data, data + size);
  const auto prompt = clip.encode(text);
  if (prompt.ids.size() != 77 || prompt.ids.front() != sd::ClipTokenizer::kBos) std::abort();
  if (prompt.ids.back() != sd::ClipTokenizer::kEos || prompt.tokens.size() > 75) std::abort();
  if (!prompt.cut.empty() && prompt.tokens.size() != 75) std::abort();
  for (const auto* tokens : {&prompt.tokens, &prompt.cut}) {
    for (const auto& token : *tokens) {
      if (token.begin >= token.end || token.end > text.size()) std::abort();
      if (clip.decode(token.id).empty()) std::abort();
    }
  }
  return 0;
}
