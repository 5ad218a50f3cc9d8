#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace sd {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

/// The bytes that may follow the first byte of a sequence, by table 3-7 of the Unicode standard.
struct LeadByte {
  int continuations = -1;  // -1: no sequence begins so
  uint8_t second_from =
      0x80;  // the first continuation is narrower for some leads: no overlong forms, no surrogates
  uint8_t second_to = 0xBF;
  uint8_t payload = 0;
};

LeadByte classify_lead(uint8_t byte) {
  if (byte < 0x80) return {0, 0x80, 0xBF, byte};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {1, 0x80, 0xBF, static_cast<uint8_t>(byte & 0x1F)};
  const auto low = static_cast<uint8_t>(byte & 0x0F);
  if (byte == 0xE0) return {2, 0xA0, 0xBF, low};
  if (byte == 0xED) return {2, 0x80, 0x9F, low};
  if (byte < 0xF0) return {2, 0x80, 0xBF, low};
  if (byte == 0xF0) return {3, 0x90, 0xBF, low};
  if (byte < 0xF4) return {3, 0x80, 0xBF, low};
  if (byte == 0xF4) return {3, 0x80, 0x8F, low};
  return {};
}

/// The character that begins at `text[position]`; `position` moves behind it.
char32_t next_char(std::string_view text, std::size_t& position) {
  const LeadByte lead = classify_lead(static_cast<uint8_t>(text[position++]));
  if (lead.continuations < 0) return kReplacement;
  char32_t code = lead.payload;
  for (int i = 0; i < lead.continuations; ++i) {
    const uint8_t from = i == 0 ? lead.second_from : 0x80;
    const uint8_t to = i == 0 ? lead.second_to : 0xBF;
    if (position == text.size()) return kReplacement;
    const auto byte = static_cast<uint8_t>(text[position]);
    if (byte < from || byte > to) return kReplacement;
    code = code << 6 | (byte & 0x3F);
    ++position;
  }
  return code;
}

int combining_class(char32_t code) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(code))->combining_class;
}

/// Full canonical decomposition, each part spanning what the whole spanned.
std::vector<SourceChar> decompose(const std::vector<SourceChar>& chars) {
  constexpr std::size_t kLongest = 8;  // canonical decompositions have at most 4 code points
  std::vector<SourceChar> parts;
  parts.reserve(chars.size());
  for (const SourceChar& whole : chars) {
    std::array<utf8proc_int32_t, kLongest> codes{};
    int last_boundclass = 0;
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(whole.code), codes.data(), kLongest,
                                UTF8PROC_DECOMPOSE, &last_boundclass);
    if (count < 1 || count > static_cast<utf8proc_ssize_t>(kLongest)) {
      parts.push_back(whole);
      continue;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      parts.push_back({static_cast<char32_t>(codes[i]), whole.begin, whole.end});
    }
  }
  return parts;
}

/// Sorts each run of combining marks by combining class (UAX #15, D109).
void order_marks(std::vector<SourceChar>& chars) {
  const auto is_mark = [](const SourceChar& c) { return combining_class(c.code) != 0; };
  auto run = chars.begin();
  while ((run = std::find_if(run, chars.end(), is_mark)) != chars.end()) {
    const auto end = std::find_if_not(run, chars.end(), is_mark);
    std::stable_sort(run, end, [](const SourceChar& a, const SourceChar& b) {
      return combining_class(a.code) < combining_class(b.code);
    });
    run = end;
  }
}

/// The primary composite of two code points, 0 if there is none.
char32_t compose_pair(char32_t first, char32_t second) {
  std::array<utf8proc_int32_t, 2> pair = {static_cast<utf8proc_int32_t>(first),
                                          static_cast<utf8proc_int32_t>(second)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const auto length = utf8proc_normalize_utf32(pair.data(), pair.size(), options);
  return length == 1 ? static_cast<char32_t>(pair[0]) : 0;
}

/// Composes decomposed, ordered characters in place (UAX #15, D117).
void compose(std::vector<SourceChar>& chars) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t kept = 0;
  std::size_t starter = kNone;
  int previous_class = -1;  // of the last character kept after the starter, -1 directly behind it
  for (const SourceChar& next : std::vector<SourceChar>(chars)) {
    const int next_class = combining_class(next.code);
    if (starter != kNone && previous_class < next_class) {
      if (const char32_t composite = compose_pair(chars[starter].code, next.code)) {
        chars[starter] = {composite, std::min(chars[starter].begin, next.begin),
                          std::max(chars[starter].end, next.end)};
        continue;
      }
    }
    if (next_class == 0) {
      starter = kept;
      previous_class = -1;
    } else {
      previous_class = next_class;
    }
    chars[kept++] = next;
  }
  chars.resize(kept);
}

}  // namespace

std::vector<SourceChar> decode_utf8(std::string_view text, std::size_t offset) {
  std::vector<SourceChar> chars;
  chars.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    const char32_t code = next_char(text, position);
    chars.push_back({code, offset + begin, offset + position});
  }
  return chars;
}

void append_utf8(char32_t code, std::string& text) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes.data());
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    text += static_cast<char>(bytes[i]);
  }
}

std::vector<SourceChar> to_nfc(std::vector<SourceChar> chars) {
  constexpr char32_t kFirstMark =
      0x300;  // nothing below decomposes in NFC or composes with its neighbour
  if (std::all_of(chars.begin(), chars.end(),
                  [](const SourceChar& c) { return c.code < kFirstMark; })) {
    return chars;
  }
  std::vector<SourceChar> result = decompose(chars);
  order_marks(result);
  compose(result);
  return result;
}

std::vector<SourceChar> to_nfd(const std::vector<SourceChar>& chars) {
  std::vector<SourceChar> result = decompose(chars);
  order_marks(result);
  return result;
}

std::vector<SourceChar> to_lower(std::vector<SourceChar> chars) {
  // The one character whose lower case has two: capital I with dot above becomes i and a combining
  // dot.
  constexpr char32_t kDottedI = 0x130;
  constexpr char32_t kDotAbove = 0x307;
  std::vector<SourceChar> result;
  result.reserve(chars.size());
  for (const SourceChar& c : chars) {
    if (c.code == kDottedI) {
      result.push_back({U'i', c.begin, c.end});
      result.push_back({kDotAbove, c.begin, c.end});
      continue;
    }
    const auto lower = utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code));
    result.push_back({static_cast<char32_t>(lower), c.begin, c.end});
  }
  return result;
}

CharClass char_class(char32_t code) {
  // PropList.txt, White_Space: the separators below and these controls.
  if ((code >= 0x09 && code <= 0x0D) || code == 0x85) return CharClass::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return CharClass::kSpace;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::kNumber;
    default:
      return CharClass::kOther;
  }
}

bool is_nonspacing_mark(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code)) == UTF8PROC_CATEGORY_MN;
}

bool is_control(char32_t code) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return true;
    default:
      return false;
  }
}

bool is_punctuation(char32_t code) {
  if (code < 0x80) {
    return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
           (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
  }
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

}  // namespace sd
