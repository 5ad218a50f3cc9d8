#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// A code point and the bytes [begin, end) of the text it came from, kept through every step below.
struct SourceChar {
  char32_t code = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

enum class CharClass {
  kSpace,   // White_Space
  kLetter,  // general categories L*
  kNumber,  // general categories N*
  kOther,
};

/// The code points of `text`; its first byte counts as byte `offset`. Every maximal part of a
/// broken sequence reads as one U+FFFD (Unicode 15, table 3-8).
std::vector<SourceChar> decode_utf8(std::string_view text, std::size_t offset = 0);

void append_utf8(char32_t code, std::string& text);

/// Normalisation form C (UAX #15). A composed character spans all the characters it was made of.
std::vector<SourceChar> to_nfc(std::vector<SourceChar> chars);

/// Normalisation form D (UAX #15): decomposed, marks in canonical order.
std::vector<SourceChar> to_nfd(const std::vector<SourceChar>& chars);

/// Lower case, character by character and without regard to context: a final sigma stays an
/// ordinary one.
std::vector<SourceChar> to_lower(std::vector<SourceChar> chars);

CharClass char_class(char32_t code);

/// General category Mn: accents and their like.
bool is_nonspacing_mark(char32_t code);

/// General categories Cc, Cf, Cs and Co.
bool is_control(char32_t code);

/// General categories P*, and ASCII's symbols ($+<=>^`|~), as BERT's tokenizer counts them.
bool is_punctuation(char32_t code);

}  // namespace sd
