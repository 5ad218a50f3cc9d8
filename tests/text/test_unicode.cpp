#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace sd {
namespace {

std::u32string codes(const std::vector<SourceChar>& chars) {
  std::u32string text;
  for (const auto& c : chars) text += c.code;
  return text;
}

std::u32string nfc(std::string_view text) { return codes(to_nfc(decode_utf8(text))); }

TEST(DecodeUtf8, KeepsTheBytesEachCharacterCameFrom) {
  const auto chars = decode_utf8("a\u00e9\u65e5\U0001F431", 10);
  ASSERT_EQ(codes(chars), U"a\u00e9\u65e5\U0001F431");
  EXPECT_EQ(chars[0].begin, 10U);
  EXPECT_EQ(chars[1].begin, 11U);
  EXPECT_EQ(chars[2].begin, 13U);
  EXPECT_EQ(chars[3].begin, 16U);
  EXPECT_EQ(chars[3].end, 20U);
}

TEST(DecodeUtf8, EveryMaximalBrokenPartIsOneReplacement) {
  // Unicode 15.0, section 3.9, tables 3-8 to 3-11.
  EXPECT_EQ(codes(decode_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41")),
            std::u32string(8, U'\uFFFD') + U"A");
  EXPECT_EQ(codes(decode_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41")),
            std::u32string(8, U'\uFFFD') + U"A");
  EXPECT_EQ(codes(decode_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42")),
            std::u32string(5, U'\uFFFD') + U"A\uFFFD\uFFFDB");
  EXPECT_EQ(codes(decode_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41")),
            std::u32string(4, U'\uFFFD') + U"A");
}

TEST(DecodeUtf8, KeepsTheFirstAndLastCodePointOfEachLength) {
  const std::u32string ends = U"\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff";
  std::string text;
  for (const char32_t code : ends) append_utf8(code, text);
  EXPECT_EQ(codes(decode_utf8(text)), ends);
}

TEST(ToNfc, ComposesAndKeepsTheWholeSpan) {
  const auto chars = to_nfc(decode_utf8("xe\u0301y"));
  ASSERT_EQ(codes(chars), U"x\u00e9y");
  EXPECT_EQ(chars[1].begin, 1U);
  EXPECT_EQ(chars[1].end, 4U);
  EXPECT_EQ(chars[2].begin, 4U);
}

TEST(ToNfc, OrdersMarksBeforeItComposes) {
  EXPECT_EQ(nfc("d\u0307\u0323"), U"\u1e0d\u0307");
  EXPECT_EQ(nfc("a\u0323\u0302"), U"\u1ead");
  EXPECT_EQ(nfc("a\u0302\u0323"), U"\u1ead");
}

TEST(ToNfc, AMarkBehindOneOfItsClassIsBlocked) {
  EXPECT_EQ(nfc("x\u0301\u0301"), U"x\u0301\u0301");
  EXPECT_EQ(nfc("e\u0334\u0301"), U"\u00e9\u0334");
  EXPECT_EQ(nfc("a\u0305\u0301"), U"a\u0305\u0301");
}

TEST(ToNfc, ComposesHangul) {
  EXPECT_EQ(nfc("\u1100\u1161\u11a8"), U"\uac01");
  EXPECT_EQ(nfc("\uac00\u11a8"), U"\uac01");
  EXPECT_EQ(nfc("\u1100\u11a8"), U"\u1100\u11a8");
}

TEST(ToNfc, SingletonsAndExclusionsStayDecomposed) {
  EXPECT_EQ(nfc("\u212b"), U"\u00c5");        // Angstrom sign
  EXPECT_EQ(nfc("\u0958"), U"\u0915\u093c");  // composition exclusion
  EXPECT_EQ(nfc("\u0344"), U"\u0308\u0301");
  EXPECT_EQ(nfc("\U0002f800"), U"\u4e3d");  // compatibility ideograph
}

TEST(ToNfc, MarksWithoutAStarterStay) { EXPECT_EQ(nfc("\u0301\u0323a"), U"\u0323\u0301a"); }

TEST(ToNfc, CompatibilityCharactersStay) {
  EXPECT_EQ(nfc("\ufb01\u00b2\u2460"), U"\ufb01\u00b2\u2460");
}

TEST(ToLower, WorksCharacterByCharacter) {
  EXPECT_EQ(codes(to_lower(decode_utf8("A\u00c9\u0416\u03a3\u1e9e\u2160\U00010400"))),
            U"a\u00e9\u0436\u03c3\u00df\u2170\U00010428");
}

TEST(ToLower, DottedCapitalIBecomesTwoCharactersOfOneSpan) {
  const auto chars = to_lower(decode_utf8("\u0130"));
  ASSERT_EQ(codes(chars), U"i\u0307");
  EXPECT_EQ(chars[0].begin, chars[1].begin);
  EXPECT_EQ(chars[0].end, 2U);
  EXPECT_EQ(chars[1].end, 2U);
}

TEST(CharClass, FollowsTheGeneralCategories) {
  constexpr std::u32string_view kSpaces =
      U"\t\n\v\f\r \u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000";
  for (const char32_t c : kSpaces) {
    EXPECT_EQ(char_class(c), CharClass::kSpace) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'a', U'\u00aa', U'\u01c5', U'\u02b0', U'\u65e5', U'\U00020000'}) {
    EXPECT_EQ(char_class(c), CharClass::kLetter) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'0', U'\u0663', U'\u2163', U'\u00bd'}) {
    EXPECT_EQ(char_class(c), CharClass::kNumber) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'\0', U'\x1c', U'_', U'\u0301', U'\u180e', U'\u200b', U'\ufeff',
                           U'\ufffd', U'\U0010ffff'}) {
    EXPECT_EQ(char_class(c), CharClass::kOther) << static_cast<uint32_t>(c);
  }
}

TEST(IsPunctuation, CountsAsciiSymbolsButNoOthers) {
  for (const char32_t c : {U'!', U'-', U'$', U'^', U'~', U'\u00bf', U'\u2019', U'\u3001'}) {
    EXPECT_TRUE(is_punctuation(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'a', U'0', U' ', U'\u007f', U'\u00a9', U'\u0301', U'\U0001F431'}) {
    EXPECT_FALSE(is_punctuation(c)) << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace sd
