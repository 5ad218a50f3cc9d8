#include <gtest/gtest.h>

#include <string>

#include "core/text_encoding.h"

namespace sd {
namespace {

using namespace std::string_literals;

/// "aé猫🦊" in each encoding.
const std::string kText = "a\u00e9\u732b\U0001F98A";

TEST(ToUtf8, ReadsUtf16OfBothByteOrders) {
  EXPECT_EQ(to_utf8("\xFF\xFE"
                    "a\0\xE9\0\x2B\x73\x3E\xD8\x8A\xDD"s),
            kText);
  EXPECT_EQ(to_utf8("\xFE\xFF\0a\0\xE9\x73\x2B\xD8\x3E\xDD\x8A"s), kText);
}

TEST(ToUtf8, TellsUtf16WithoutAMarkByItsZeros) {
  EXPECT_EQ(to_utf8("a\0 \0c\0"s), "a c");
  EXPECT_EQ(to_utf8("\0a\0 \0c"s), "a c");
}

TEST(ToUtf8, ReadsUtf32OfBothByteOrders) {
  EXPECT_EQ(to_utf8("\xFF\xFE\0\0a\0\0\0\x8A\xF9\x01\0"s), "a\U0001F98A");
  EXPECT_EQ(to_utf8("\0\0\xFE\xFF\0\0\0a\0\x01\xF9\x8A"s), "a\U0001F98A");
}

TEST(ToUtf8, LeavesUtf8AsItIsWithoutItsMark) {
  EXPECT_EQ(to_utf8("\xEF\xBB\xBF" + kText), kText);
  EXPECT_EQ(to_utf8("a\0b"s), "a\0b"s);
  EXPECT_EQ(to_utf8("\xFF"), "\xFF");
  EXPECT_EQ(to_utf8(""), "");
}

TEST(ToUtf8, WhatUtf16DoesNotAllowIsNoUtf8) {
  // Half a pair, in the middle and at the end; a second half alone; half a number.
  EXPECT_EQ(to_utf8("\xFF\xFE\x3E\xD8"
                    "a\0"s),
            "\xED\xA0\xBE"
            "a");
  EXPECT_EQ(to_utf8("\xFF\xFE\x3E\xD8"s), "\xED\xA0\xBE");
  EXPECT_EQ(to_utf8("\xFF\xFE\x8A\xDD"s), "\xED\xB6\x8A");
  EXPECT_EQ(to_utf8("\xFF\xFE"
                    "a\0b"s),
            "a\xFF");
}

TEST(WithLineFeeds, TakesCarriageReturnsAloneForLineEnds) {
  EXPECT_EQ(with_line_feeds("a\rb\r\nc\n\r"), "a\nb\r\nc\n\n");
}

}  // namespace
}  // namespace sd
