#include <gtest/gtest.h>

#include "cli/maps/caption_marks.h"

namespace sd::cli {
namespace {

using Texts = std::vector<std::string>;

/// What is marked in each text.
std::vector<Texts> marked(const Texts& texts) {
  std::vector<Texts> all;
  for (const auto& label : marked_differences(texts)) {
    auto& words = all.emplace_back();
    for (const auto& mark : label.marks)
      words.push_back(label.text.substr(mark.begin, mark.end - mark.begin));
  }
  return all;
}

TEST(MarkedDifferences, AreTheWordsThatNotAllHave) {
  EXPECT_EQ(marked({"a red apple on a table", "a red car on a table"}),
            (std::vector<Texts>{{"apple"}, {"car"}}));
  EXPECT_EQ(marked({"a car", "a green car"}), (std::vector<Texts>{{}, {"green"}}));
  EXPECT_EQ(marked({"a red cat", "a blue cat", "a blue dog"}),
            (std::vector<Texts>{{"red", "cat"}, {"blue", "cat"}, {"blue", "dog"}}));
}

TEST(MarkedDifferences, PunctuationAtAWordsEndIsNone) {
  EXPECT_EQ(marked({"a cat", "a cat, asleep"}), (std::vector<Texts>{{}, {"asleep"}}));
}

TEST(MarkedDifferences, NothingIsMarkedWhereAllIsAlikeOrAllDiffers) {
  EXPECT_EQ(marked({"a cat", "a cat"}), (std::vector<Texts>{{}, {}}));
  EXPECT_EQ(marked({"scale=1.5", "scale=3"}), (std::vector<Texts>{{}, {}}));
  EXPECT_EQ(marked({"a cat"}), (std::vector<Texts>{{}}));
  EXPECT_EQ(marked({}), (std::vector<Texts>{}));
}

TEST(MarkedDifferences, AnEmptyTextSharesNothing) {
  EXPECT_EQ(marked({"", "a cat"}), (std::vector<Texts>{{}, {}}));
}

}  // namespace
}  // namespace sd::cli
