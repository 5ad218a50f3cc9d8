#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "sd/text/emphasis.h"

namespace sd {
namespace {

using Stretches = std::vector<std::pair<std::string, double>>;

Stretches stretches(const std::string& prompt) {
  Stretches found;
  for (const auto& stretch : parse_emphasis(prompt)) {
    found.emplace_back(stretch.break_here ? "BREAK" : stretch.text, stretch.weight);
  }
  return found;
}

void expect(const std::string& prompt, const Stretches& expected) {
  const auto found = stretches(prompt);
  ASSERT_EQ(found.size(), expected.size()) << prompt;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].first, expected[i].first) << prompt;
    EXPECT_NEAR(found[i].second, expected[i].second, 1e-12) << prompt << ": " << found[i].first;
  }
}

// The web UI's documented examples.
TEST(Emphasis, ReadsWhatTheWebUiReads) {
  expect("normal text", {{"normal text", 1.0}});
  expect("an (important) word", {{"an ", 1.0}, {"important", 1.1}, {" word", 1.0}});
  expect("(unbalanced", {{"unbalanced", 1.1}});
  expect("\\(literal\\]", {{"(literal]", 1.0}});
  expect("(unnecessary)(parens)", {{"unnecessaryparens", 1.1}});
  expect("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", {{"a ", 1.0},
                                                                 {"house", 1.573},
                                                                 {" ", 1.1},
                                                                 {"on", 1.0},
                                                                 {" a ", 1.1},
                                                                 {"hill", 0.55},
                                                                 {", sun, ", 1.1},
                                                                 {"sky", 1.4641},
                                                                 {".", 1.1}});
}

TEST(Emphasis, WeightsMayBeNegativeSignedOrSpaced) {
  expect("(a:-1)", {{"a", -1.0}});
  expect("(a: +0.5 )", {{"a", 0.5}});
  expect("(a:.5)b", {{"a", 0.5}, {"b", 1.0}});
  expect("[a]", {{"a", 1 / 1.1}});
}

TEST(Emphasis, WhatIsNoWeightStaysText) {
  expect("(a:x)", {{"a:x", 1.1}});
  expect("a:1.3)", {{"a:1.3)", 1.0}});
  expect("(a:1.2.3)", {{"a:1.2.3", 1.1}});
  expect("(a:)", {{"a:", 1.1}});
  expect("a) b] c", {{"a) b] c", 1.0}});
  expect("[a:2)", {{"a:2)", 1 / 1.1}});
  expect("(a:1e999)", {{"a:1e999", 1.1}});
}

TEST(Emphasis, BreakStandsAlone) {
  expect("a BREAK b", {{"a", 1.0}, {"BREAK", 1.0}, {"b", 1.0}});
  expect("aBREAK BREAKb", {{"aBREAK BREAKb", 1.0}});
  expect("(a BREAK b:2)", {{"a", 2.0}, {"BREAK", 2.0}, {"b", 2.0}});
  expect("BREAK", {{"BREAK", 1.0}});
}

TEST(Emphasis, AnEmptyPromptIsOneEmptyStretch) {
  expect("", {{"", 1.0}});
  expect("()", {{"", 1.0}});
  expect("\\", {{"", 1.0}});
}

TEST(Emphasis, KnowsWhereEveryByteCameFrom) {
  const std::string prompt = "a (big:1.5) \\(red\\) [cat]";
  std::string plain;
  for (const auto& stretch : parse_emphasis(prompt)) {
    ASSERT_EQ(stretch.origin.size(), stretch.text.size() + 1);
    for (std::size_t i = 0; i < stretch.text.size(); ++i) {
      EXPECT_EQ(prompt[stretch.origin[i]], stretch.text[i]);
    }
    plain += stretch.text;
  }
  EXPECT_EQ(plain, "a big (red) cat");
  EXPECT_EQ(plain_text(parse_emphasis("a BREAK (b:2)")), "a b");
}

TEST(Emphasis, TenThousandBracketsAreRead) {
  const std::string open(10000, '('), close(10000, ')');
  EXPECT_EQ(stretches(open + "a").front().first, "a");
  EXPECT_EQ(stretches(close + "a").front().first, close + "a");
}

}  // namespace
}  // namespace sd
