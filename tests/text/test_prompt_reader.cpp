#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/clip_tokenizer.h"
#include "sd/text/prompt_reader.h"
#include "sd/text/words.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using Positions = std::vector<int64_t>;

PromptReader reader(PromptSyntax syntax = PromptSyntax::kA1111, int64_t steps = 10,
                    int64_t chunks = 1) {
  return {std::make_shared<ClipTokenizer>(77, ClipTokenizer::kEos), syntax, steps, chunks};
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

std::vector<int64_t> clip_ids(const std::string& text) {
  return ClipTokenizer::instance().encode(text, 77).ids;
}

TEST(PromptReader, PlainAndAutoTakeATextAsTheOriginalScriptsDo) {
  for (const auto syntax : {PromptSyntax::kPlain, PromptSyntax::kAuto}) {
    const auto variants = reader(syntax).read("a red cat, 1:3 and SAND {x|y}");
    ASSERT_EQ(variants.size(), 1u);
    EXPECT_EQ(variants[0].tokens.ids, clip_ids("a red cat, 1:3 and SAND {x|y}"));
    EXPECT_EQ(variants[0].weights, std::vector<float>(77, 1.0F));
    EXPECT_EQ(reader(syntax).encode(repeated("word ", 90)).cut.size(), 15u);
  }
  EXPECT_EQ(reader(PromptSyntax::kPlain).read("(a:2)")[0].tokens.ids, clip_ids("(a:2)"));
  EXPECT_NE(reader(PromptSyntax::kAuto).read("(a:2)")[0].tokens.ids, clip_ids("(a:2)"));
}

TEST(PromptReader, WeightsStandAtTheirTokens) {
  const auto variant = reader().read("a (red:1.5) cat").front();
  EXPECT_EQ(variant.tokens.ids, clip_ids("a red cat"));
  EXPECT_EQ(variant.weights[2], 1.5F);
  EXPECT_EQ(variant.weights[1], 1.0F);
  EXPECT_EQ(variant.weights[3], 1.0F);
}

TEST(PromptReader, LongPromptsFillChunks) {
  const auto variant = reader().read(repeated("word ", 80)).front();
  EXPECT_EQ(variant.chunks, 2);
  ASSERT_EQ(variant.tokens.ids.size(), 154u);
  EXPECT_TRUE(variant.tokens.cut.empty());
  EXPECT_EQ(variant.tokens.ids[76], ClipTokenizer::kEos);
  EXPECT_EQ(variant.tokens.ids[77], ClipTokenizer::kBos);
  EXPECT_EQ(variant.tokens.position(74), 75);
  EXPECT_EQ(variant.tokens.position(75), 78);
  EXPECT_EQ(variant.tokens.ids[78 + 5], ClipTokenizer::kEos);
}

TEST(PromptReader, AChunkEndsBehindACommaNearItsEnd) {
  // 70 words and a comma are 71 tokens; four more would fit, but the phrase has six.
  const auto near = reader().read(repeated("word ", 70) + "," + repeated(" cat", 6)).front();
  EXPECT_EQ(near.tokens.position(70), 71);
  EXPECT_EQ(near.tokens.position(71), 78);
  // With the comma more than 20 tokens back the phrase is cut.
  const auto far = reader().read(repeated("word ", 40) + "," + repeated(" cat", 40)).front();
  EXPECT_EQ(far.tokens.position(74), 75);
  EXPECT_EQ(far.tokens.position(75), 78);
}

TEST(PromptReader, BreakBeginsAChunk) {
  const auto variant = reader().read("a cat BREAK a dog").front();
  EXPECT_EQ(variant.chunks, 2);
  EXPECT_EQ(variant.tokens.position(2), 78);
  EXPECT_EQ(reader(PromptSyntax::kAuto).chunks_of("a cat BREAK a dog"), 2);
  EXPECT_EQ(reader(PromptSyntax::kAuto).chunks_of("a BREAKFAST"), 1);
}

TEST(PromptReader, ShortPromptsGetEmptyChunksWhereOthersAreLong) {
  const auto empty = clip_ids("");
  for (const std::string prompt : {"a cat", "(a cat:1.2)"}) {
    const auto variant = reader(PromptSyntax::kAuto, 10, 3).read(prompt).front();
    EXPECT_EQ(variant.chunks, 3);
    ASSERT_EQ(variant.tokens.ids.size(), 231u);
    EXPECT_EQ(variant.weights.size(), 231u);
    EXPECT_TRUE(std::equal(empty.begin(), empty.end(), variant.tokens.ids.begin() + 154));
  }
}

TEST(PromptReader, APromptChangesOnTheWay) {
  const auto variants = reader().read("a [red:blue:0.5] cat");
  ASSERT_EQ(variants.size(), 2u);
  EXPECT_EQ(variants[0].tokens.ids, clip_ids("a red cat"));
  EXPECT_EQ(variants[1].first_step, 5);
  EXPECT_EQ(variants[1].tokens.ids, clip_ids("a blue cat"));
}

TEST(PromptReader, WordsKeepTheirPlaces) {
  const std::string prompt = "a (red:1.5) [cat:dog:0.5] BREAK on \\(a sofa\\)";
  const PromptWords words(prompt, reader().encode(prompt));
  EXPECT_EQ(words.find("red"), Positions{2});
  EXPECT_EQ(words.find("cat"), Positions{3});
  EXPECT_EQ(words.find("dog"), Positions{3});
  EXPECT_EQ(words.find("sofa"), Positions{81});
  const std::string moving = "a [cat:cheshire cat:0.5] smiles";
  const PromptWords others(moving, reader().encode(moving));
  test::expect_error<UsageError>([&] { others.find("smiles"); }, "moves when the prompt changes");
  EXPECT_EQ(others.find("a"), Positions{1});
}

TEST(PromptReader, PartsHaveEmphasisChangesAndWeightsOfTheirOwn) {
  const auto parts = reader(PromptSyntax::kAuto)
                         .read_parts("a (red:1.5) cat AND a [dog:fox:0.5] BREAK here :-0.6");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].weight, 1);
  EXPECT_EQ(parts[1].weight, -0.6);
  ASSERT_EQ(parts[0].variants.size(), 1u);
  EXPECT_EQ(parts[0].variants[0].weights[2], 1.5F);
  EXPECT_EQ(parts[0].variants[0].chunks, 2);  // as many as the other
  ASSERT_EQ(parts[1].variants.size(), 2u);
  EXPECT_EQ(parts[1].variants[1].first_step, 5);
  const auto ids = parts[1].variants[1].tokens.ids, fox = clip_ids("a fox");
  EXPECT_TRUE(std::equal(fox.begin(), fox.end(), ids.begin()));
}

TEST(PromptReader, WordsOfLaterPartsStandBehindTheFirst) {
  const std::string prompt = "a red cat AND a (blue:1.2) [dog:fox:0.5]:0.6 AND";
  const auto encoded = reader().encode(prompt);
  EXPECT_EQ(encoded.ids.size(), 231u);
  const PromptWords words(prompt, encoded);
  EXPECT_EQ(words.find("cat"), Positions{3});
  EXPECT_EQ(words.find("blue"), Positions{79});
  EXPECT_EQ(words.find("fox"), Positions{80});
  EXPECT_EQ(words.find("a"), (Positions{1, 78}));
  EXPECT_EQ(words.find("@230"), Positions{230});
  test::expect_error<UsageError>([&] { words.find("AND"); }, "'AND' stands for no token");
}

TEST(PromptReader, AndIsTextWhereNothingIsComposed) {
  const std::string prompt = "a cat AND a dog";
  EXPECT_EQ(reader(PromptSyntax::kPlain).read_parts(prompt).size(), 1u);
  EXPECT_EQ(reader().read(prompt).front().tokens.ids, clip_ids(prompt));
  const auto negative = reader(PromptSyntax::kAuto).without_composition();
  EXPECT_EQ(negative->encode(prompt).ids, clip_ids(prompt));
  EXPECT_EQ(negative->part_weights(prompt), std::vector<double>{1});
  EXPECT_EQ(reader(PromptSyntax::kAuto).part_weights(prompt), (std::vector<double>{1, 1}));
}

TEST(PromptReader, WhatCannotBeReadIsSaid) {
  test::expect_error<UsageError>([] { reader().read_parts(repeated("a AND ", 16)); }, "17 prompts",
                                 "at most 16");
  test::expect_error<UsageError>([] { reader().read(std::string(9000, '(') + "a"); },
                                 "weighted beyond");
  test::expect_error<UsageError>([] { reader().read(repeated("word ", 2500)); },
                                 "more than 32 chunks");
}

}  // namespace
}  // namespace sd
