#include "sd/text/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "sd/core/error.h"
#include "text/clusters.h"
#include "text/suggest.h"
#include "text/unicode.h"

namespace sd {
namespace {

bool is_apostrophe(char32_t code) { return code == U'\'' || code == U'\u2019'; }
bool is_hyphen(char32_t code) { return code == U'-' || code == U'\u2010' || code == U'\u2011'; }

bool is_own_word(char32_t code) { return is_symbol(code) && !is_punctuation(code); }

bool is_word_char(char32_t code) {
  return char_class(code) != CharClass::kSpace && !is_punctuation(code) && !is_symbol(code);
}

/// Whether an apostrophe or a hyphen between these two makes them one word.
bool can_be_joined(char32_t before, char32_t after) {
  return is_word_char(after) && !is_unspaced(before) && !is_unspaced(after);
}

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Letters and digits between spaces and punctuation; a symbol, such as an emoji, is a word of its
/// own, as tokenizers have it.
std::vector<Span> split_words(std::string_view text) {
  const auto chars = decode_clusters(text);
  std::vector<Span> words;
  bool inside = false;
  for (std::size_t i = 0; i < chars.size(); ++i) {
    const char32_t code = chars[i].code;
    const bool joins = inside && (is_apostrophe(code) || is_hyphen(code)) && i + 1 < chars.size() &&
                       can_be_joined(chars[i - 1].code, chars[i + 1].code);
    if (is_own_word(code)) {
      words.push_back({chars[i].begin, chars[i].end});
      inside = false;
      continue;
    }
    if (!is_word_char(code) && !joins) {
      inside = false;
      continue;
    }
    if (!inside) words.push_back({chars[i].begin, chars[i].end});
    words.back().end = chars[i].end;
    inside = true;
  }
  return words;
}

/// Where tokens of a prompt meet.
class TokenBorders {
 public:
  TokenBorders(std::size_t bytes, const TokenizedPrompt& tokens)
      : borders_(bytes + 1, false), across_(bytes + 2, 0) {
    for (const auto* some : {&tokens.tokens, &tokens.cut, &tokens.moved}) {
      for (const Token& token : *some) {
        if (token.begin >= token.end || token.end > bytes) continue;
        borders_[token.begin] = borders_[token.end] = true;
        ++across_[token.begin + 1];
        --across_[token.end];
      }
    }
    for (std::size_t i = 1; i < across_.size(); ++i) across_[i] += across_[i - 1];
  }

  /// Whether one ends and the next begins at this byte, and none reaches across.
  bool meet_at(std::size_t byte) const { return borders_[byte] && across_[byte] == 0; }

 private:
  std::vector<bool> borders_;
  std::vector<int> across_;  // tokens that have a byte before this one and this one
};

/// A sentence of a script without spaces has the words that the tokenizer divides it into.
std::vector<Span> split_unspaced(std::string_view text, const Span& word,
                                 const TokenBorders& borders) {
  std::vector<Span> parts = {word};
  bool was_unspaced = false;
  for (const auto& c : decode_clusters(text.substr(word.begin, word.end - word.begin))) {
    const std::size_t at = word.begin + c.begin;
    const bool unspaced = is_unspaced(c.code);
    if (at > word.begin && (unspaced || was_unspaced) && borders.meet_at(at)) {
      parts.back().end = at;
      parts.push_back({at, word.end});
    }
    was_unspaced = unspaced;
  }
  return parts;
}

/// They choose between an emoji and a sign in black and white.
bool is_variation_selector(char32_t code) { return code == 0xFE0E || code == 0xFE0F; }

/// How words are compared: composed, lower case, one kind of apostrophe and hyphen, an emoji with
/// or without what asks for its colours.
std::string fold(std::string_view word) {
  std::string folded;
  for (const SourceChar& c : to_lower(to_nfc(decode_utf8(word)))) {
    if (is_variation_selector(c.code) && !folded.empty()) continue;
    append_utf8(is_apostrophe(c.code) ? U'\'' : is_hyphen(c.code) ? U'-' : c.code, folded);
  }
  return folded;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const auto begin = std::min(text.find_first_not_of(kSpaces), text.size());
  const auto end = text.find_last_not_of(kSpaces) + 1;
  return text.substr(begin, end - begin);
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The number that `digits` spell, if it can be said in 64 bits.
std::optional<int64_t> whole_number(std::string_view digits) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::string times(std::size_t count) {
  return count == 1 ? "once" : fmt::format("{} times", count);
}

}  // namespace

struct PromptWords::Query {
  std::string_view text;            // as given, without spaces around
  std::string_view index;           // of "@8", "8"; it may carry a sign
  std::string_view phrase_text;     // of "Red car#2", "Red car"
  std::vector<std::string> phrase;  // "red", "car"
  std::string_view occurrence;      // "2"

  explicit Query(std::string_view given) : text(trimmed(given)), phrase_text(text) {
    if (text.starts_with('@')) {
      const auto rest = text.substr(1);
      const bool sign = rest.starts_with('-') || rest.starts_with('+');
      if (is_digits(rest.substr(sign ? 1 : 0))) {
        index = rest;
        return;
      }
    }
    const auto hash = text.rfind('#');
    if (hash != std::string_view::npos && is_digits(text.substr(hash + 1)) &&
        !split_words(text.substr(0, hash)).empty()) {
      phrase_text = trimmed(text.substr(0, hash));
      occurrence = text.substr(hash + 1);
    }
    for (const Span& word : split_words(phrase_text)) {
      phrase.push_back(fold(phrase_text.substr(word.begin, word.end - word.begin)));
    }
  }
};

namespace {

/// Words that a whole token (an embedding's name) has in common become one.
std::vector<Span> join_whole(std::vector<Span> words, const TokenizedPrompt& tokens) {
  for (const auto* some : {&tokens.tokens, &tokens.cut, &tokens.moved}) {
    for (const Token& token : *some) {
      if (!token.whole) continue;
      const auto first = std::ranges::upper_bound(words, token.begin, {}, &Span::end);
      auto last = first;
      while (last != words.end() && last->begin < token.end) ++last;
      if (last - first < 2) continue;
      first->end = (last - 1)->end;
      words.erase(first + 1, last);
    }
  }
  return words;
}

/// A word as it is compared, part by part: one that an embedding's name makes has several.
std::vector<std::string> folded_parts(std::string_view word) {
  std::vector<std::string> parts;
  for (const Span& part : split_words(word))
    parts.push_back(fold(word.substr(part.begin, part.end - part.begin)));
  return parts;
}

}  // namespace

PromptWords::PromptWords(std::string prompt, const TokenizedPrompt& tokens)
    : prompt_(std::move(prompt)), length_(static_cast<int64_t>(tokens.ids.size())) {
  std::unordered_map<std::string, int64_t> occurrences;
  const TokenBorders borders(prompt_.size(), tokens);
  std::vector<Span> spans;
  for (const Span& word : split_words(prompt_)) {
    for (const Span& part : split_unspaced(prompt_, word, borders)) spans.push_back(part);
  }
  for (const Span& span : join_whole(std::move(spans), tokens)) {
    PromptWord word;
    word.text = prompt_.substr(span.begin, span.end - span.begin);
    word.begin = span.begin;
    word.end = span.end;
    folded_.push_back(fold(word.text));
    parts_.push_back(folded_parts(word.text));
    word.occurrence = ++occurrences[folded_.back()];
    words_.push_back(std::move(word));
  }
  const auto words_under = [this](const Token& token, const auto& action) {
    auto word = std::ranges::upper_bound(words_, token.begin, {}, &PromptWord::end);
    for (; word != words_.end() && word->begin < token.end; ++word) action(*word);
  };
  for (std::size_t i = 0; i < tokens.tokens.size(); ++i) {
    const auto position = tokens.position(i);
    words_under(tokens.tokens[i], [&](PromptWord& word) { word.positions.push_back(position); });
  }
  for (const Token& token : tokens.cut) {
    words_under(token, [](PromptWord& word) { word.cut = true; });
  }
  for (const Token& token : tokens.moved) {
    words_under(token, [](PromptWord& word) { word.moves = true; });
  }
}

std::string PromptWords::list() const {
  std::vector<std::string> names;
  for (const auto& word : words_) {
    if (word.cut) continue;
    names.push_back(word.occurrence == 1 ? word.text
                                         : fmt::format("{}({})", word.text, word.occurrence));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// The end of `phrase` where it begins with words_[first]; nothing if it does not. Words that touch
/// each other, as in scripts without spaces, may be one in the phrase.
std::optional<std::size_t> PromptWords::end_of(const std::vector<std::string>& phrase,
                                               std::size_t first) const {
  std::size_t at = first;
  for (std::size_t i = 0; i < phrase.size(); ++i) {
    if (at < parts_.size() && parts_[at].size() > 1) {
      const auto& parts = parts_[at++];
      if (parts.size() > phrase.size() - i) return std::nullopt;
      const auto from = phrase.begin() + static_cast<std::ptrdiff_t>(i);
      if (!std::equal(parts.begin(), parts.end(), from)) return std::nullopt;
      i += parts.size() - 1;
      continue;
    }
    std::string_view rest = phrase[i];
    while (true) {
      if (at == folded_.size() || !rest.starts_with(folded_[at])) return std::nullopt;
      rest.remove_prefix(folded_[at].size());
      ++at;
      if (rest.empty()) break;
      if (at == folded_.size() || words_[at - 1].end != words_[at].begin) return std::nullopt;
    }
  }
  return at;
}

/// Where `phrase` stands in words_, every time.
std::vector<PromptWords::Place> PromptWords::places_of(
    const std::vector<std::string>& phrase) const {
  std::vector<Place> places;
  for (std::size_t first = 0; first < folded_.size(); ++first) {
    if (const auto end = end_of(phrase, first)) places.push_back({first, *end});
  }
  return places;
}

int64_t PromptWords::position_of(const Query& query) const {
  const auto position = whole_number(query.index);
  if (!position || *position < 0 || *position >= length_) {
    throw UsageError(fmt::format("'{}' is not a token: tokens are counted from @0 to @{}",
                                 query.text, length_ - 1));
  }
  return *position;
}

void PromptWords::fail_not_found(const Query& query) const {
  const std::string words = list().empty() ? "It has no words" : "Words: " + list();
  // The first word that is not there is what was mistyped; if all are, they stand apart.
  const auto missing = std::ranges::find_if(query.phrase, [this](const std::string& word) {
    return std::ranges::find(folded_, word) == folded_.end();
  });
  if (missing == query.phrase.end()) {
    throw UsageError(fmt::format("'{}' is not in the prompt as consecutive words. {}",
                                 query.phrase_text, words));
  }
  std::vector<std::string> candidates;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (!words_[i].cut) candidates.push_back(folded_[i]);
  }
  constexpr std::size_t kShortest = 3;  // everything is near a word of one or two letters
  throw UsageError(fmt::format(
      "'{}' is not in the prompt. {}{}", query.phrase_text, words,
      missing->size() < kShortest ? std::string() : did_you_mean(*missing, candidates)));
}

std::vector<int64_t> PromptWords::find(std::string_view given) const {
  const Query query(given);
  if (!query.index.empty()) return {position_of(query)};
  if (query.phrase.empty()) {
    throw UsageError(fmt::format("'{}' names no word of the prompt. Words: {}", given, list()));
  }
  auto places = places_of(query.phrase);
  if (places.empty()) fail_not_found(query);
  if (!query.occurrence.empty()) {
    const auto wanted = whole_number(query.occurrence);
    if (!wanted || *wanted < 1 || static_cast<std::size_t>(*wanted) > places.size()) {
      throw UsageError(fmt::format(
          "'{}' is not in the prompt: '{}' occurs {} there (counted from #1). Words: {}",
          query.text, query.phrase_text, times(places.size()), list()));
    }
    places = {places[static_cast<std::size_t>(*wanted) - 1]};
  }
  std::erase_if(places, [&](const Place& place) {
    return std::any_of(words_.begin() + static_cast<std::ptrdiff_t>(place.first),
                       words_.begin() + static_cast<std::ptrdiff_t>(place.end),
                       [](const PromptWord& word) { return word.cut; });
  });
  if (places.empty()) {
    throw UsageError(fmt::format("'{}' was cut off after {} tokens: shorten the prompt. Words: {}",
                                 query.text, length_, list()));
  }
  std::vector<int64_t> positions;
  for (const Place& place : places) {
    for (std::size_t i = place.first; i < place.end; ++i) {
      if (words_[i].moves) {
        throw UsageError(fmt::format(
            "'{}' moves when the prompt changes between steps: put it in front of the change, or "
            "give the change alternatives with equally many tokens",
            words_[i].text));
      }
      positions.insert(positions.end(), words_[i].positions.begin(), words_[i].positions.end());
    }
  }
  if (positions.empty()) {
    throw UsageError(
        fmt::format("'{}' stands for no token, as markup does. Words: {}", query.text, list()));
  }
  std::ranges::sort(positions);
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

}  // namespace sd
