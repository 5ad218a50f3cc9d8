#include "sd/text/clip_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "sd/core/error.h"
#include "text/byte_pair_encoding.h"
#include "text/specials.h"
#include "text/unicode.h"

extern "C" {
extern const char sd_clip_merges_begin[];  // clip_merges.S
extern const char sd_clip_merges_end[];
}

namespace sd {
namespace {

constexpr std::string_view kBosText = "<|startoftext|>";
constexpr std::string_view kEosText = "<|endoftext|>";

/// What the pattern of the tokenizer calls contractions: they are words of their own at the start
/// of a match.
constexpr std::array<std::u32string_view, 7> kContractions = {U"'s", U"'t",  U"'re", U"'ve",
                                                              U"'m", U"'ll", U"'d"};

/// The two special texts in lower-cased form: here they are spelled "<|", word, "|>", as no id
/// stands for them.
constexpr std::array<std::u32string_view, 2> kLoweredSpecials = {U"<|startoftext|>",
                                                                 U"<|endoftext|>"};

using Chars = std::span<const SourceChar>;

bool starts_with(Chars chars, std::u32string_view prefix) {
  return chars.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), chars.begin(),
                    [](char32_t expected, const SourceChar& c) { return c.code == expected; });
}

std::size_t run_length(Chars chars, CharClass wanted) {
  const auto end = std::find_if(chars.begin(), chars.end(),
                                [&](const SourceChar& c) { return char_class(c.code) != wanted; });
  return static_cast<std::size_t>(end - chars.begin());
}

/// Lengths of the words at the start of `chars`, which begins with no space. The alternatives are
/// those of CLIP's pattern, in its order: specials, contractions, letters, one digit, anything
/// else.
std::vector<std::size_t> next_words(Chars chars) {
  constexpr std::size_t kBracket = 2;  // "<|" and "|>"
  for (const auto special : kLoweredSpecials) {
    if (starts_with(chars, special)) return {kBracket, special.size() - 2 * kBracket, kBracket};
  }
  for (const auto contraction : kContractions) {
    if (starts_with(chars, contraction)) return {contraction.size()};
  }
  const CharClass first = char_class(chars.front().code);
  return {first == CharClass::kNumber ? 1 : run_length(chars, first)};
}

void append_word(const BytePairEncoding& encoding, Chars word, std::vector<Token>& tokens) {
  std::string bytes;
  std::vector<std::size_t> char_of_byte;
  for (std::size_t i = 0; i < word.size(); ++i) {
    append_utf8(word[i].code, bytes);
    char_of_byte.resize(bytes.size(), i);
  }
  for (const auto& piece : encoding.encode(bytes)) {
    const Chars part = word.subspan(char_of_byte[piece.begin],
                                    char_of_byte[piece.end - 1] - char_of_byte[piece.begin] + 1);
    const auto begin = [](const SourceChar& c) { return c.begin; };
    const auto end = [](const SourceChar& c) { return c.end; };
    // Normalisation may have changed the order of combining marks, so the first is not always the
    // leftmost.
    tokens.push_back(
        {piece.id, std::ranges::min(part, {}, begin).begin, std::ranges::max(part, {}, end).end});
  }
}

/// Text without specials; its first byte is byte `offset` of the prompt.
void append_plain(const BytePairEncoding& encoding, std::string_view text, std::size_t offset,
                  std::vector<Token>& tokens) {
  const auto chars = to_lower(to_nfc(decode_utf8(text, offset)));
  Chars rest(chars);
  while (!rest.empty()) {
    rest = rest.subspan(run_length(rest, CharClass::kSpace));
    if (rest.empty()) break;
    for (const std::size_t length : next_words(rest)) {
      append_word(encoding, rest.first(length), tokens);
      rest = rest.subspan(length);
    }
  }
}

}  // namespace

struct ClipTokenizer::Tables {
  BytePairEncoding encoding{std::string_view(
      sd_clip_merges_begin, static_cast<std::size_t>(sd_clip_merges_end - sd_clip_merges_begin))};
};

ClipTokenizer::ClipTokenizer(int64_t length, int64_t padding)
    : Tokenizer({.begin = kBos, .end = kEos, .padding = padding}, length) {
  static const auto tables = std::make_shared<const Tables>();
  tables_ = tables;
}

const ClipTokenizer& ClipTokenizer::instance() {
  static const ClipTokenizer tokenizer;
  return tokenizer;
}

std::vector<Token> ClipTokenizer::tokenize(std::string_view text) const {
  static constexpr std::array<SpecialText, 2> kSpecials = {{{kBosText, kBos}, {kEosText, kEos}}};
  return tokenize_between(
      text, kSpecials,
      [this](std::string_view part, std::size_t offset, std::vector<Token>& tokens) {
        append_plain(tables_->encoding, part, offset, tokens);
      });
}

std::string ClipTokenizer::decode(int64_t id) const {
  if (id == kBos) return std::string(kBosText);
  if (id == kEos) return std::string(kEosText);
  if (id < 0 || id >= tables_->encoding.size()) {
    throw UsageError(fmt::format("token id {} is outside the vocabulary [0, {})", id, kVocabulary));
  }
  return tables_->encoding.bytes(id);
}

}  // namespace sd
