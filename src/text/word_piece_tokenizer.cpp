#include "sd/text/word_piece_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <unordered_map>
#include <utility>

#include "sd/core/error.h"
#include "text/specials.h"
#include "text/unicode.h"

extern "C" {
extern const char sd_bert_vocabulary_begin[];  // bert_vocabulary.S
extern const char sd_bert_vocabulary_end[];
}

namespace sd {
namespace {

constexpr std::string_view kInside = "##";  // a piece that does not begin its word
constexpr std::size_t kLongestWord = 100;   // in characters; longer ones are unknown
constexpr int64_t kMask = 103;              // [MASK]

constexpr std::array<SpecialText, 5> kSpecials = {{
    {"[PAD]", WordPieceTokenizer::kPadding},
    {"[UNK]", WordPieceTokenizer::kUnknown},
    {"[CLS]", WordPieceTokenizer::kBegin},
    {"[SEP]", WordPieceTokenizer::kEnd},
    {"[MASK]", kMask},
}};

struct CodeRange {
  char32_t first;
  char32_t last;
};

/// The blocks of Chinese characters, each of which is a word, as BERT's tokenizer lists them (with
/// extension E beginning a hundred characters late, as Hugging Face's does).
constexpr std::array<CodeRange, 8> kChinese = {{{0x4E00, 0x9FFF},
                                                {0x3400, 0x4DBF},
                                                {0x20000, 0x2A6DF},
                                                {0x2A700, 0x2B73F},
                                                {0x2B740, 0x2B81F},
                                                {0x2B920, 0x2CEAF},
                                                {0xF900, 0xFAFF},
                                                {0x2F800, 0x2FA1F}}};

bool is_chinese(char32_t code) {
  return std::ranges::any_of(kChinese, [code](const CodeRange& range) {
    return code >= range.first && code <= range.last;
  });
}

bool is_space(char32_t code) { return char_class(code) == CharClass::kSpace; }

/// What is dropped before anything else.
bool is_dropped(char32_t code) {
  constexpr char32_t kReplacement = 0xFFFD;
  if (code == U'\t' || code == U'\n' || code == U'\r') return false;  // count as white space
  return code == 0 || code == kReplacement || is_control(code);
}

/// Cleaned, in lower case and without accents.
std::vector<SourceChar> normalize(std::vector<SourceChar> chars) {
  std::erase_if(chars, [](const SourceChar& c) { return is_dropped(c.code); });
  chars = to_nfd(chars);
  std::erase_if(chars, [](const SourceChar& c) { return is_nonspacing_mark(c.code); });
  return to_lower(std::move(chars));
}

using Chars = std::span<const SourceChar>;

/// How many characters the word at the start of `chars` has, which begins with no space.
std::size_t word_length(Chars chars) {
  const auto stands_alone = [](const SourceChar& c) {
    return is_punctuation(c.code) || is_chinese(c.code);
  };
  if (stands_alone(chars.front())) return 1;
  const auto end = std::ranges::find_if(
      chars, [&](const SourceChar& c) { return is_space(c.code) || stands_alone(c); });
  return static_cast<std::size_t>(end - chars.begin());
}

Token token_of(int64_t id, Chars chars) {
  // Normalisation may have changed the order of marks, so the first is not always the leftmost.
  return {id, std::ranges::min(chars, {}, &SourceChar::begin).begin,
          std::ranges::max(chars, {}, &SourceChar::end).end};
}

/// A word in UTF-8.
class Spelling {
 public:
  explicit Spelling(Chars word) {
    for (const SourceChar& c : word) {
      append_utf8(c.code, bytes_);
      ends_.push_back(bytes_.size());
    }
  }
  std::size_t size() const { return ends_.size(); }  // in characters
  std::string_view bytes_of(std::size_t first, std::size_t length) const {
    const std::size_t begin = first == 0 ? 0 : ends_[first - 1];
    return std::string_view(bytes_).substr(begin, ends_[first + length - 1] - begin);
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

}  // namespace

/// The vocabulary; its texts are those that are compiled in.
struct WordPieceTokenizer::Tables {
  std::vector<std::string_view> pieces;                      // by id
  std::unordered_map<std::string_view, int64_t> beginnings;  // of words, and whole ones
  std::unordered_map<std::string_view, int64_t> inside;      // without "##"
  std::size_t longest = 0;                                   // piece, in bytes

  Tables() {
    std::string_view rest(
        sd_bert_vocabulary_begin,
        static_cast<std::size_t>(sd_bert_vocabulary_end - sd_bert_vocabulary_begin));
    while (!rest.empty()) {
      const auto piece = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(piece.size() + 1, rest.size()));
      const auto id = static_cast<int64_t>(pieces.size());
      pieces.push_back(piece);
      longest = std::max(longest, piece.size());
      if (piece.starts_with(kInside) && piece.size() > kInside.size()) {
        inside.emplace(piece.substr(kInside.size()), id);
      } else {
        beginnings.emplace(piece, id);
      }
    }
    if (static_cast<int64_t>(pieces.size()) != kVocabulary) {
      throw Error(
          fmt::format("BERT's vocabulary has {} pieces, expected {}", pieces.size(), kVocabulary));
    }
  }

  struct Piece {
    int64_t id = 0;
    std::size_t length = 0;  // in characters; 0: there is none
  };

  /// The longest piece that `word`, whose first character is `first`, goes on with.
  Piece longest_piece(const Spelling& word, std::size_t first) const {
    const auto& known = first == 0 ? beginnings : inside;
    for (std::size_t length = word.size() - first; length > 0; --length) {
      const auto bytes = word.bytes_of(first, length);
      if (bytes.size() > longest) continue;
      const auto found = known.find(bytes);
      if (found != known.end()) return {found->second, length};
    }
    return {};
  }

  /// The longest pieces from the start of the word on; one [UNK] where they do not spell it.
  void append_word(Chars word, std::vector<Token>& tokens) const {
    std::vector<Token> pieces_of_word;
    const Spelling spelling(word.size() > kLongestWord ? Chars() : word);
    for (std::size_t first = 0; first < spelling.size();) {
      const Piece piece = longest_piece(spelling, first);
      if (piece.length == 0) {
        pieces_of_word.clear();
        break;
      }
      pieces_of_word.push_back(token_of(piece.id, word.subspan(first, piece.length)));
      first += piece.length;
    }
    if (pieces_of_word.empty()) pieces_of_word.push_back(token_of(kUnknown, word));
    tokens.insert(tokens.end(), pieces_of_word.begin(), pieces_of_word.end());
  }

  /// Text without specials; its first byte is byte `offset` of the prompt.
  void append_plain(std::string_view text, std::size_t offset, std::vector<Token>& tokens) const {
    const auto chars = normalize(decode_utf8(text, offset));
    Chars rest(chars);
    while (true) {
      const auto word =
          std::ranges::find_if_not(rest, [](const SourceChar& c) { return is_space(c.code); });
      rest = rest.subspan(static_cast<std::size_t>(word - rest.begin()));
      if (rest.empty()) return;
      const std::size_t length = word_length(rest);
      append_word(rest.first(length), tokens);
      rest = rest.subspan(length);
    }
  }
};

WordPieceTokenizer::WordPieceTokenizer(int64_t length)
    : Tokenizer({.begin = kBegin, .end = kEnd, .padding = kPadding}, length) {
  static const auto tables = std::make_shared<const Tables>();
  tables_ = tables;
}

std::vector<Token> WordPieceTokenizer::tokenize(std::string_view text) const {
  return tokenize_between(
      text, kSpecials,
      [this](std::string_view part, std::size_t offset, std::vector<Token>& tokens) {
        tables_->append_plain(part, offset, tokens);
      });
}

std::string WordPieceTokenizer::decode(int64_t id) const {
  if (id < 0 || id >= kVocabulary) {
    throw UsageError(fmt::format("token id {} is outside the vocabulary [0, {})", id, kVocabulary));
  }
  return std::string(tables_->pieces[static_cast<std::size_t>(id)]);
}

}  // namespace sd
