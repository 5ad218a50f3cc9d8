#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "trainer/scene_caption.h"
#include "trainer/scene_vocabulary.h"

namespace sd::train {
namespace {

SceneSpec one(std::string_view kind, std::string_view tint, std::string_view background) {
  SceneSpec spec;
  spec.objects = {{find_kind(kind), tint.empty() ? kAbsent : find_tint(tint)}};
  spec.background = find_background(background);
  return spec;
}

SceneSpec two(const SceneSpec& first, Place place, const SceneSpec& second) {
  auto spec = first;
  spec.objects.push_back(second.objects[0]);
  spec.place = place;
  return spec;
}

std::string text_of(SceneSpec spec, const Phrasing& phrasing = {}) {
  spec.phrasing = phrasing;
  return caption_of(spec).text;
}

TEST(Caption, SaysOneObject) {
  const auto cat = one("cat", "blue", "yellow");
  EXPECT_EQ(text_of(cat), "a blue cat on a yellow background");
  EXPECT_EQ(text_of(cat, {.phrase = 1}), "blue cat, yellow background");
  EXPECT_EQ(text_of(cat, {.phrase = 2, .says_background = false}), "an emoji of a blue cat");
  EXPECT_EQ(text_of(cat, {.says_tints = false, .says_background = false}), "a cat");
}

TEST(Caption, SaysTwoObjectsAndTheirPlace) {
  const auto pair = two(one("cat", "", "white"), Place::kLeftOf, one("apple", "red", "white"));
  EXPECT_EQ(text_of(pair), "a cat to the left of a red apple on a white background");
  EXPECT_EQ(text_of(pair, {.phrase = 1, .says_background = false}), "cat left of red apple");
  EXPECT_EQ(text_of(pair, {.says_background = false, .says_place = false}),
            "a cat and a red apple");
}

TEST(Caption, TheArticleFollowsTheNextWord) {
  EXPECT_EQ(text_of(one("apple", "", "pink")), "an apple on a pink background");
  EXPECT_EQ(text_of(one("apple", "green", "pink")), "a green apple on a pink background");
  EXPECT_EQ(text_of(one("cat", "orange", "pink")), "an orange cat on a pink background");
  const auto pair = two(one("umbrella", "", "red"), Place::kAbove, one("ice cream", "", "red"));
  EXPECT_EQ(text_of(pair), "an umbrella above an ice cream on a red background");
}

TEST(Caption, AnEmptyOneHasNoWords) {
  auto spec = one("cat", "blue", "yellow");
  spec.phrasing.empty = true;
  const auto caption = caption_of(spec);
  EXPECT_EQ(caption.text, "");
  EXPECT_TRUE(caption.words.empty());
}

TEST(Caption, SpansCutOutTheWords) {
  auto spec =
      two(one("smiling face", "orange", "gray"), Place::kRightOf, one("penguin", "", "gray"));
  const std::vector<std::string> expected{"orange", "smiling face", "right of", "penguin", "gray"};
  spec.phrasing.phrase = 1;
  const auto [text, words] = caption_of(spec);
  std::vector<std::string> found;
  for (const auto& word : words) found.push_back(text.substr(word.begin, word.end - word.begin));
  EXPECT_EQ(found, expected);
  EXPECT_EQ(words[0].role, WordRole::kTint);
  EXPECT_EQ(words[0].object, 0);
  EXPECT_EQ(words[1].role, WordRole::kObject);
  EXPECT_EQ(words[2].role, WordRole::kPlace);
  EXPECT_EQ(words[2].object, kAbsent);
  EXPECT_EQ(words[3].object, 1);
  EXPECT_EQ(words[4].role, WordRole::kBackground);
}

TEST(Caption, APhraseThatDoesNotExistIsRefused) {
  auto spec = one("cat", "", "red");
  spec.phrasing.phrase = phrase_count(1);
  EXPECT_THROW(caption_of(spec), UsageError);
  spec.phrasing.phrase = -1;
  EXPECT_THROW(caption_of(spec), UsageError);
}

}  // namespace
}  // namespace sd::train
