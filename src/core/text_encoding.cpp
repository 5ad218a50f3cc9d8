#include "core/text_encoding.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace sd {
namespace {

constexpr char32_t kNoUnit = 0xFFFFFFFF;    // behind the last one
constexpr char32_t kHalfUnit = 0xFFFFFFFE;  // the text ends within one

struct Mark {
  std::string_view bytes;
  TextEncoding encoding;
};

/// UTF-32's before UTF-16's, which begins like it.
constexpr std::array<Mark, 5> kMarks = {{
    {{"\xEF\xBB\xBF", 3}, TextEncoding::kUtf8},
    {{"\xFF\xFE\0\0", 4}, TextEncoding::kUtf32Little},
    {{"\0\0\xFE\xFF", 4}, TextEncoding::kUtf32Big},
    {{"\xFF\xFE", 2}, TextEncoding::kUtf16Little},
    {{"\xFE\xFF", 2}, TextEncoding::kUtf16Big},
}};

/// Without a mark: two ASCII characters in a row tell, since no text holds NUL.
TextEncoding guess(std::string_view start) {
  constexpr std::size_t kTwoUnits = 4;
  if (start.size() < kTwoUnits) return TextEncoding::kUtf8;
  const auto zero = [&](std::size_t i) { return start[i] == '\0'; };
  if (!zero(0) && zero(1) && !zero(2) && zero(3)) return TextEncoding::kUtf16Little;
  if (zero(0) && !zero(1) && zero(2) && !zero(3)) return TextEncoding::kUtf16Big;
  return TextEncoding::kUtf8;
}

bool is_first_half(char32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_second_half(char32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

/// Surrogates and numbers beyond Unicode are written by the same rule, which makes no UTF-8.
void append(char32_t code, std::string& text) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12);
  } else if (code <= 0x10FFFF) {
    add(0xF0 | code >> 18);
  } else {
    add(0xFF);  // stands in no UTF-8
    return;
  }
  if (code >= 0x10000) add(0x80 | (code >> 12 & 0x3F));
  if (code >= 0x800) add(0x80 | (code >> 6 & 0x3F));
  if (code >= 0x80) add(0x80 | (code & 0x3F));
}

}  // namespace

const char* name_of(TextEncoding encoding) {
  switch (encoding) {
    case TextEncoding::kUtf16Little:
    case TextEncoding::kUtf16Big:
      return "UTF-16";
    case TextEncoding::kUtf32Little:
    case TextEncoding::kUtf32Big:
      return "UTF-32";
    case TextEncoding::kUtf8:
      break;
  }
  return "UTF-8";
}

Utf8Reader::Utf8Reader(std::function<int()> next) : source_(std::move(next)), pending_(kNoUnit) {
  begin();
}

void Utf8Reader::begin() {
  constexpr std::size_t kLongestMark = 4;
  while (ahead_.size() < kLongestMark) {
    const int byte = source_();
    if (byte == kEnd) break;
    ahead_ += static_cast<char>(byte);
  }
  const auto mark = std::ranges::find_if(
      kMarks, [this](const Mark& known) { return ahead_.starts_with(known.bytes); });
  if (mark == kMarks.end()) {
    encoding_ = guess(ahead_);
  } else {
    encoding_ = mark->encoding;
    ahead_.erase(0, mark->bytes.size());
  }
  std::ranges::reverse(ahead_);  // so that the next byte is the last one
}

int Utf8Reader::raw() {
  if (ahead_.empty()) return source_();
  const auto byte = static_cast<unsigned char>(ahead_.back());
  ahead_.pop_back();
  return byte;
}

/// The next number of 16 or 32 bits.
char32_t Utf8Reader::unit() {
  if (pending_ != kNoUnit) return std::exchange(pending_, kNoUnit);
  const bool wide = encoding_ == TextEncoding::kUtf32Little || encoding_ == TextEncoding::kUtf32Big;
  const bool little =
      encoding_ == TextEncoding::kUtf16Little || encoding_ == TextEncoding::kUtf32Little;
  const int bytes = wide ? 4 : 2;
  char32_t unit = 0;
  for (int i = 0; i < bytes; ++i) {
    const int byte = raw();
    if (byte == kEnd) return i == 0 ? kNoUnit : kHalfUnit;
    const auto value = static_cast<char32_t>(byte);
    unit = little ? unit | value << 8 * i : unit << 8 | value;
  }
  // A number that means something else here is none of a character.
  return unit >= kHalfUnit ? 0xFFFFFFFD : unit;
}

/// The next character of a text that is not UTF-8.
void Utf8Reader::decode() {
  decoded_.clear();
  given_ = 0;
  const char32_t code = unit();
  if (code == kNoUnit) return;
  const bool wide = encoding_ == TextEncoding::kUtf32Little || encoding_ == TextEncoding::kUtf32Big;
  if (wide || !is_first_half(code)) return append(code, decoded_);
  const char32_t second = unit();
  if (is_second_half(second)) {
    return append(0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00), decoded_);
  }
  append(code, decoded_);
  pending_ = second;
}

int Utf8Reader::next() {
  if (encoding_ == TextEncoding::kUtf8) return raw();
  if (given_ == decoded_.size()) decode();
  return given_ == decoded_.size() ? kEnd : static_cast<unsigned char>(decoded_[given_++]);
}

std::string to_utf8(std::string_view text) {
  std::size_t at = 0;
  Utf8Reader reader(
      [&] { return at < text.size() ? static_cast<unsigned char>(text[at++]) : Utf8Reader::kEnd; });
  std::string utf8;
  utf8.reserve(text.size());
  for (int byte = reader.next(); byte != Utf8Reader::kEnd; byte = reader.next())
    utf8 += static_cast<char>(byte);
  return utf8;
}

std::string with_line_feeds(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) text[i] = '\n';
  }
  return text;
}

}  // namespace sd
