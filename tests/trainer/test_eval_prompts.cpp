#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "trainer/eval_prompts.h"

namespace sd::train {
namespace {

const SceneGenerator& generator() {
  static const SceneGenerator shared;
  return shared;
}

TEST(EvaluationPrompts, WereNeverSeenAsAWholeAndCanBeSeen) {
  for (const auto& spec : evaluation_prompts(generator(), 500)) {
    EXPECT_TRUE(held_out(spec)) << caption_of(spec).text;
    EXPECT_FALSE(trainable(spec)) << caption_of(spec).text;
    EXPECT_FALSE(generator().clashes(spec)) << caption_of(spec).text;
  }
}

// The numbers of models are comparable only while these stay.
TEST(EvaluationPrompts, AreFixed) {
  const auto prompts = evaluation_prompts(generator(), 4);
  EXPECT_EQ(caption_of(prompts[0]).text, "a lion to the left of a strawberry on a blue background");
  EXPECT_EQ(caption_of(prompts[1]).text, "a pink bell above a brown guitar on a yellow background");
  EXPECT_EQ(caption_of(prompts[2]).text, "a green whale on a yellow background");
  EXPECT_EQ(caption_of(prompts[3]).text, "a yellow whale on a red background");
}

TEST(EvaluationPrompts, MoreOfThemBeginWithTheSameOnes) {
  const auto few = evaluation_prompts(generator(), 10), many = evaluation_prompts(generator(), 20);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
}

TEST(EvaluationPrompts, CoverKindsTintsBackgroundsAndPlaces) {
  std::set<int> kinds, tinted, grounds;
  std::set<Place> places;
  for (const auto& spec : evaluation_prompts(generator(), 500)) {
    for (const auto& object : spec.objects) {
      kinds.insert(object.kind);
      tinted.insert(object.tint);
    }
    grounds.insert(spec.background);
    places.insert(spec.place);
  }
  EXPECT_EQ(kinds.size(), object_kinds().size());
  EXPECT_EQ(tinted.size(), tints().size() + 1);
  EXPECT_EQ(grounds.size(), backgrounds().size());
  EXPECT_EQ(places.size(), 5u);
}

TEST(EvaluationPrompts, KeepToTheKindsGiven) {
  const std::vector<int> known{find_kind("cat"), find_kind("dog"), find_kind("car")};
  for (const auto& spec : evaluation_prompts(generator(), 30, known)) {
    for (const auto& object : spec.objects) {
      EXPECT_NE(std::find(known.begin(), known.end(), object.kind), known.end());
    }
  }
}

TEST(SwapPairs, DifferInTheObjectAlone) {
  for (const auto& [source, target] : swap_pairs(generator(), 200)) {
    EXPECT_TRUE(held_out(source));
    EXPECT_FALSE(generator().clashes(target));
    ASSERT_EQ(source.objects.size(), 1u);
    EXPECT_NE(source.objects[0].kind, target.objects[0].kind);
    auto changed = target;
    changed.objects[0].kind = source.objects[0].kind;
    EXPECT_EQ(changed, source);
  }
}

}  // namespace
}  // namespace sd::train
