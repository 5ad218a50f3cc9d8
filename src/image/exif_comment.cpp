#include "image/exif_comment.h"

#include <iconv.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "image/unicode.h"

namespace sd {
namespace {

constexpr std::size_t kCodeSize = 8;

enum class Code { kNone, kPlain, kUnicode, kJis };

/// The character code that `comment` begins with, in any case and padded with NULs or blanks.
Code code_of(ByteSpan comment) {
  if (comment.size() < kCodeSize) return Code::kNone;
  std::string code(text_of(comment.first(kCodeSize)));
  code.resize(code.find_last_not_of(std::string_view("\0 ", 2)) + 1);
  for (auto& c : code) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (code == "UNICODE") return Code::kUnicode;
  if (code == "JIS") return Code::kJis;
  return code == "ASCII" || code.empty() ? Code::kPlain : Code::kNone;
}

/// Without the NULs and blanks that writers pad with.
std::string_view trimmed(std::string_view text) {
  const auto last = text.find_last_not_of(std::string_view("\0 \t\r\n", 5));
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

/// Zero bytes that stand first or second in their pair.
struct Zeros {
  std::size_t first = 0;
  std::size_t second = 0;
};

Zeros count_zeros(ByteSpan text) {
  Zeros zeros;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    zeros.first += text[i] == std::byte{0};
    zeros.second += text[i + 1] == std::byte{0};
  }
  return zeros;
}

/// Writers disagree on the byte order of "UNICODE" comments: piexif always writes big-endian,
/// others follow the block. Infotexts always hold ASCII, whose high bytes are zero, so the order
/// with more of them is the right one.
std::string decode_utf16(ByteSpan text) {
  const auto mark = read_unsigned(text, 0, 2, true);
  if (mark == 0xFEFFu) return utf16_to_utf8(text.subspan(2), true);
  if (mark == 0xFFFEu) return utf16_to_utf8(text.subspan(2), false);
  const auto zeros = count_zeros(text);
  return utf16_to_utf8(text, zeros.first >= zeros.second);
}

bool has_utf16_mark(ByteSpan text) {
  const auto mark = read_unsigned(text, 0, 2, true);
  return mark == 0xFEFFu || mark == 0xFFFEu;
}

/// Whether every other byte is zero often enough for letters of UTF-16.
bool has_utf16_letters(ByteSpan text) {
  const auto size = trimmed(text_of(text)).size();
  const auto zeros = count_zeros(text.first(size));  // padding is none
  const auto [less, more] = std::minmax(zeros.first, zeros.second);
  return more > less && 4 * more >= size / 2;
}

/// Whether a text without zero bytes can hardly be UTF-16: it has more letters of ASCII than the
/// units of other scripts show by chance.
bool is_mostly_ascii(std::string_view text) {
  const auto letters = std::ranges::count_if(text, [](char c) { return c >= ' ' && c <= '~'; });
  return 4 * static_cast<std::size_t>(letters) > 3 * text.size();
}

std::optional<std::string> convert(std::string_view text, const char* encoding) {
  const iconv_t converter = iconv_open("UTF-8", encoding);
  if (converter == reinterpret_cast<iconv_t>(std::intptr_t{-1})) return std::nullopt;
  std::string in(text), out(3 * text.size() + 16, '\0');  // two bytes are three of UTF-8 at most
  char *from = in.data(), *to = out.data();
  std::size_t left = in.size(), room = out.size();
  const auto failed = iconv(converter, &from, &left, &to, &room) == static_cast<std::size_t>(-1);
  iconv_close(converter);
  if (failed || left > 0) return std::nullopt;
  out.resize(out.size() - room);
  return out;
}

/// JIS X 0208 as mail has it; what writers of other Japanese encodings label so is tried behind it.
std::string decode_jis(ByteSpan text) {
  const auto bytes = trimmed(text_of(text));
  const bool shifts = bytes.find('\x1B') != std::string_view::npos;
  if (!shifts && is_utf8(bytes)) return std::string(bytes);
  for (const char* encoding : {"ISO-2022-JP", "EUC-JP", "SHIFT_JIS"}) {
    if (auto utf8 = convert(bytes, encoding)) return *utf8;
  }
  return decode_plain_text(text);
}

std::string decode_unicode(ByteSpan text) {
  const auto bytes = trimmed(text_of(text));
  const bool zeros = bytes.find('\0') != std::string_view::npos;
  if (zeros || has_utf16_mark(text)) return decode_utf16(text);
  if (is_utf8(bytes) || is_mostly_ascii(bytes)) return decode_plain_text(text);
  return decode_utf16(text);
}

std::string decode(ByteSpan text, Code code) {
  switch (code) {
    case Code::kUnicode:
      return decode_unicode(text);
    case Code::kJis:
      return decode_jis(text);
    default:
      return decode_plain_text(text);
  }
}

}  // namespace

std::string decode_plain_text(ByteSpan text) {
  constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";
  if (has_utf16_mark(text) || has_utf16_letters(text)) {
    return repair_utf8(trimmed(decode_utf16(text)));
  }
  auto bytes = trimmed(text_of(text));
  if (bytes.starts_with(kUtf8Mark)) bytes.remove_prefix(kUtf8Mark.size());
  return is_utf8(bytes) ? std::string(bytes) : repair_utf8(latin1_to_utf8(bytes));
}

std::string decode_user_comment(ByteSpan comment) {
  const auto code = code_of(comment);
  const auto text = code == Code::kNone ? comment : comment.subspan(kCodeSize);
  return repair_utf8(trimmed(decode(text, code)));
}

}  // namespace sd
