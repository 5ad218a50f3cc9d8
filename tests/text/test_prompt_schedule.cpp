#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/prompt_schedule.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using Changes = std::vector<std::pair<int64_t, std::string>>;

Changes changes(const std::string& prompt, int64_t steps = 10) {
  Changes found;
  for (const auto& change : schedule_prompt(prompt, steps)) {
    EXPECT_EQ(change.prompt.origin.size(), change.prompt.text.size());
    for (std::size_t i = 0; i < change.prompt.text.size(); ++i) {
      EXPECT_EQ(prompt[change.prompt.origin[i]], change.prompt.text[i]);
    }
    found.emplace_back(change.first_step, change.prompt.text);
  }
  return found;
}

TEST(PromptSchedule, AChangeComesAfterAFractionOrANumberOfSteps) {
  EXPECT_EQ(changes("a [cat:dog:0.3] here"), (Changes{{0, "a cat here"}, {3, "a dog here"}}));
  EXPECT_EQ(changes("a [cat:dog:7]"), (Changes{{0, "a cat"}, {7, "a dog"}}));
  EXPECT_EQ(changes("[cat:dog:0.25]", 10), (Changes{{0, "cat"}, {2, "dog"}}));
  EXPECT_EQ(changes("[cat:dog: 20 ]"), (Changes{{0, "cat"}}));
  EXPECT_EQ(changes("[cat:dog:0]"), (Changes{{0, "dog"}}));
  EXPECT_EQ(changes("[cat:dog:1.0]"), (Changes{{0, "cat"}}));
}

TEST(PromptSchedule, TextIsAddedAndRemoved) {
  EXPECT_EQ(changes("a cat[ in the rain:0.5]"), (Changes{{0, "a cat"}, {5, "a cat in the rain"}}));
  EXPECT_EQ(changes("a cat[ in the rain::0.5]"), (Changes{{0, "a cat in the rain"}, {5, "a cat"}}));
}

TEST(PromptSchedule, AlternativesGoRound) {
  EXPECT_EQ(changes("[a|b|c]", 4), (Changes{{0, "a"}, {1, "b"}, {2, "c"}, {3, "a"}}));
  EXPECT_EQ(changes("x[|y]", 3), (Changes{{0, "x"}, {1, "xy"}, {2, "x"}}));
}

TEST(PromptSchedule, TheyNestAndLeaveEmphasisAlone) {
  EXPECT_EQ(changes("[a:[b:c:0.8]:0.5]"), (Changes{{0, "a"}, {5, "b"}, {8, "c"}}));
  EXPECT_EQ(changes("([a:(b:1.3):0.5]:1.2)"), (Changes{{0, "(a:1.2)"}, {5, "((b:1.3):1.2)"}}));
  EXPECT_EQ(changes("[(a:1.3):b:0.5]"), (Changes{{0, "(a:1.3)"}, {5, "b"}}));
}

TEST(PromptSchedule, WhatIsNoScheduleStaysText) {
  for (const std::string prompt : {"[a]", "[a:b]", "[a:b:c:0.5]", "[a:b:x]", "[a:b:0.5", "a:b:0.5]",
                                   "\\[a:b:0.5\\]", "(a|b)", "[a:b:-1]", "[a:b:1.2.3]", ""}) {
    EXPECT_EQ(changes(prompt), (Changes{{0, prompt}})) << prompt;
  }
  EXPECT_EQ(changes("[a\\|b|c]", 2), (Changes{{0, "a\\|b"}, {1, "c"}}));
}

TEST(PromptSchedule, DeepBracketsAreText) {
  const std::string open(5000, '['), close(5000, ']');
  EXPECT_EQ(changes(open + "a" + close, 2).size(), 1u);
  EXPECT_EQ(changes(open, 2), (Changes{{0, open}}));
  EXPECT_THROW(schedule_prompt("a", 0), UsageError);
}

std::vector<std::pair<std::string, double>> parts(const std::string& prompt) {
  std::vector<std::pair<std::string, double>> found;
  for (const auto& part : split_composition(prompt)) {
    EXPECT_EQ(part.prompt.origin.size(), part.prompt.text.size());
    for (std::size_t i = 0; i < part.prompt.text.size(); ++i) {
      EXPECT_EQ(prompt[part.prompt.origin[i]], part.prompt.text[i]);
    }
    found.emplace_back(part.prompt.text, part.weight);
  }
  return found;
}

TEST(Composition, SplitsAtAndWithWeights) {
  using Parts = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(parts("a cat AND a dog"), (Parts{{"a cat", 1}, {"a dog", 1}}));
  EXPECT_EQ(parts("a cat :1.2 AND a dog: -0.5 AND c"),
            (Parts{{"a cat", 1.2}, {"a dog", -0.5}, {"c", 1}}));
  EXPECT_EQ(parts("SAND AND HANDS"), (Parts{{"SAND", 1}, {"HANDS", 1}}));
  EXPECT_EQ(parts(" one: 2 "), (Parts{{" one: 2 ", 1}}));
  EXPECT_EQ(parts("(a:1.3) AND b:x"), (Parts{{"(a:1.3)", 1}, {"b:x", 1}}));
  EXPECT_EQ(parts("AND"), (Parts{{"", 1}, {"", 1}}));
  EXPECT_EQ(parts("a\nAND b : +.5"), (Parts{{"a", 1}, {"b", 0.5}}));
  EXPECT_EQ(parts("a:2.AND b"), (Parts{{"a", 2}, {"b", 1}}));
}

TEST(Composition, WhatIsNoWeightStaysText) {
  using Parts = std::vector<std::pair<std::string, double>>;
  for (const std::string part :
       {"a:x", "a:", "a:1e3", "a:+-1", "a:--1", "a:1.2.3", "a:.", "a:(1.2)"}) {
    EXPECT_EQ(parts("b AND " + part), (Parts{{"b", 1}, {part, 1}})) << part;
  }
}

}  // namespace
}  // namespace sd
