#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/prompt_choices.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using Texts = std::vector<std::string>;

Texts expanded(const std::string& prompt) { return expand_choices(prompt, 100); }

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(Choices, GiveEveryCombinationTheLastChangingFirst) {
  EXPECT_EQ(expanded("a {red|green} {car|bus}"),
            (Texts{"a red car", "a red bus", "a green car", "a green bus"}));
  EXPECT_EQ(expanded("{a|}{|b}"), (Texts{"a", "ab", "", "b"}));
  EXPECT_EQ(expanded("no choice"), (Texts{"no choice"}));
  EXPECT_EQ(expanded(""), (Texts{""}));
}

TEST(Choices, Nest) {
  EXPECT_EQ(expanded("{a|{b|c} d}"), (Texts{"a", "b d", "c d"}));
  EXPECT_EQ(expanded("{{a|b}|c}"), (Texts{"a", "b", "c"}));
  EXPECT_EQ(expanded("{ {a|b} }"), (Texts{"{ a }", "{ b }"}));
}

TEST(Choices, LeaveAlternationsToTheirBrackets) {
  EXPECT_EQ(expanded("{[a|b]|c}"), (Texts{"[a|b]", "c"}));
  EXPECT_EQ(expanded("[{a|b}|c]"), (Texts{"[a|c]", "[b|c]"}));
  EXPECT_EQ(expanded("{[a\\|b]|c}"), (Texts{"[a\\|b]", "c"}));
  EXPECT_EQ(expanded("{a [b|c}"), (Texts{"a [b", "c"}));
}

TEST(Choices, WhatIsNoChoiceStaysText) {
  for (const std::string text :
       {"{a} } {b", "{", "}", "a|b", "{}", "{a|b", "a|b}", "}a|b{", "\\(a\\) \\\\", "a\\"}) {
    EXPECT_EQ(expanded(text), (Texts{text})) << text;
    EXPECT_FALSE(has_choices(text)) << text;
  }
  EXPECT_TRUE(has_choices("{a|b}"));
}

TEST(Choices, EscapesAreTheCharactersThemselves) {
  EXPECT_EQ(expanded("\\{a|b\\}"), (Texts{"{a|b}"}));
  EXPECT_EQ(expanded("{a\\|b|c\\}}"), (Texts{"a|b", "c}"}));
  EXPECT_EQ(expanded("x\\|y {\\(a\\)|b}"), (Texts{"x\\|y \\(a\\)", "x\\|y b"}));
}

TEST(Choices, AreCountedBeforeTheyAreMade) {
  EXPECT_EQ(expand_choices(repeated("{a|b}", 5), 32).size(), 32u);
  test::expect_error<UsageError>([] { expand_choices(repeated("{a|b}", 5), 31); },
                                 "has 32 combinations", "at most 31");
  test::expect_error<UsageError>([] { expand_choices(repeated("{a|b}", 900), 1000); },
                                 "over 1000000000000000000");
  const auto heavy = std::string(20'000, 'x') + repeated("{a|b}", 10);
  test::expect_error<UsageError>([&] { expand_choices(heavy, 5000); },
                                 "1024 combinations come to more than 16 MB");
}

TEST(Choices, DeepBracesAreText) {
  const auto deep = [](int depth) { return repeated("{a|", depth) + repeated("}", depth); };
  EXPECT_EQ(expand_choices(deep(100), 1000).size(), 101u);
  test::expect_error<UsageError>([&] { expand_choices(deep(5000), 1000); },
                                 "has 5001 combinations");
  EXPECT_EQ(expand_choices(repeated("{", 5000), 2).size(), 1u);
}

}  // namespace
}  // namespace sd
