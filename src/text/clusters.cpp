#include "text/clusters.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace sd {
namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

/// Blocks.txt: Thai and Lao, Myanmar, Khmer, the radicals, kana and ideographs of CJK.
constexpr std::array<CodeRange, 12> kUnspaced = {{{0x0E00, 0x0EFF},
                                                  {0x1000, 0x109F},
                                                  {0x1780, 0x17FF},
                                                  {0x2E80, 0x2FDF},
                                                  {0x3005, 0x3007},
                                                  {0x3021, 0x3029},
                                                  {0x3031, 0x303C},
                                                  {0x3041, 0x312F},
                                                  {0x31F0, 0x31FF},
                                                  {0x3400, 0x9FFF},
                                                  {0xF900, 0xFAFF},
                                                  {0xFF66, 0xFF9F}}};
/// Kana supplements and the ideographs of planes 2 and 3.
constexpr std::array<CodeRange, 2> kUnspacedBeyond = {{{0x1AFF0, 0x1B16F}, {0x20000, 0x3FFFF}}};

bool is_in(char32_t code, const auto& ranges) {
  return std::ranges::any_of(
      ranges, [code](const CodeRange& range) { return code >= range.first && code <= range.last; });
}

}  // namespace

std::vector<SourceChar> decode_clusters(std::string_view text) {
  std::vector<SourceChar> clusters;
  utf8proc_int32_t state = 0;
  char32_t previous = 0;
  for (const SourceChar& c : decode_utf8(text)) {
    const bool begins = clusters.empty() || utf8proc_grapheme_break_stateful(
                                                static_cast<utf8proc_int32_t>(previous),
                                                static_cast<utf8proc_int32_t>(c.code), &state);
    previous = c.code;
    if (begins) {
      clusters.push_back(c);
    } else {
      clusters.back().end = c.end;
    }
  }
  return clusters;
}

std::string_view first_clusters(std::string_view text, std::size_t count) {
  const auto clusters = decode_clusters(text);
  return clusters.size() <= count ? text : text.substr(0, clusters[count].begin);
}

bool is_symbol(char32_t code) {
  constexpr CodeRange kPictures{0x1F000, 0x1FAFF};
  constexpr char32_t kReplacement = 0xFFFD;  // what is broken is part of whatever it stands in
  if (code == kReplacement) return false;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return (category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO) ||
         (category == UTF8PROC_CATEGORY_CN && code >= kPictures.first && code <= kPictures.last);
}

bool is_unspaced(char32_t code) { return is_in(code, kUnspaced) || is_in(code, kUnspacedBeyond); }

}  // namespace sd
