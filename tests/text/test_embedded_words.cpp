// Where learnt words stand, by the rules of AUTOMATIC1111's web UI.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/alignment.h"
#include "sd/text/clip_tokenizer.h"
#include "sd/text/embedded_words.h"
#include "sd/text/prompt_reader.h"
#include "sd/text/word_piece_tokenizer.h"
#include "sd/text/words.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using Positions = std::vector<int64_t>;
using Names = std::vector<std::pair<std::string, int64_t>>;  // with the numbers of vectors

constexpr int64_t kFirst = ClipTokenizer::kVocabulary;

std::shared_ptr<const EmbeddedWords> words_of(const Names& names) {
  std::vector<WordEmbedding> embeddings;
  for (const auto& [name, vectors] : names)
    embeddings.push_back(
        {name, "", vectors, 1, std::vector<float>(static_cast<std::size_t>(vectors))});
  return std::make_shared<EmbeddedWords>(std::make_shared<ClipTokenizer>(77, ClipTokenizer::kEos),
                                         std::move(embeddings));
}

std::vector<int64_t> ids_of(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int64_t> ids;
  for (const auto& token : tokenizer.tokenize(text)) ids.push_back(token.id);
  return ids;
}

PromptVariant read(const Names& names, const std::string& prompt) {
  return PromptReader(words_of(names), PromptSyntax::kA1111, 10).read(prompt).front();
}

std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(EmbeddedWords, VectorsTakeThePlaceOfTheNamesTokens) {
  const auto words = words_of({{"easynegative", 3}});
  const auto tokens = words->tokenize("a EasyNegative, b");
  ASSERT_EQ(tokens.size(), 6u);
  for (std::size_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(tokens[i].id, kFirst + static_cast<int64_t>(i) - 1);
    EXPECT_EQ(tokens[i].begin, 2u);
    EXPECT_EQ(tokens[i].end, 14u);
  }
  EXPECT_EQ(tokens[4].id, ids_of(ClipTokenizer::instance(), ",").front());
  EXPECT_EQ(words->decode(kFirst + 2), "easynegative");
  EXPECT_EQ(words->vocabulary(), kFirst + 3);
}

TEST(EmbeddedWords, TheLongestNameWins) {
  const auto words = words_of({{"bad", 1}, {"bad hands", 2}});
  EXPECT_EQ(ids_of(*words, "bad hands bad"), (Positions{kFirst + 1, kFirst + 2, kFirst}));
}

TEST(EmbeddedWords, APartOfAWordIsNoName) {
  const auto words = words_of({{"bad", 1}});
  EXPECT_EQ(ids_of(*words, "badly"), ids_of(ClipTokenizer::instance(), "badly"));
}

TEST(EmbeddedWords, DiffusersTokenIsAnotherName) {
  const auto base = std::make_shared<ClipTokenizer>(77, ClipTokenizer::kEos);
  const EmbeddedWords words(base, {{"learned_embeds", "<cat-toy>", 2, 1, {0, 0}}});
  EXPECT_EQ(ids_of(words, "<cat-toy>"), (Positions{kFirst, kFirst + 1}));
  EXPECT_EQ(ids_of(words, "learned_embeds"), (Positions{kFirst, kFirst + 1}));
}

TEST(EmbeddedWords, OtherTokenizersKnowThemToo) {
  const auto base = std::make_shared<WordPieceTokenizer>(77);
  const EmbeddedWords words(base, {{"<cat-toy>", "", 2, 1, {0, 0}}});
  const auto first = base->vocabulary();
  const auto ids = ids_of(words, "a <cat-toy> here");
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ((Positions{ids[1], ids[2]}), (Positions{first, first + 1}));
}

TEST(EmbeddedWords, NamesThatReadAlikeAreRefused) {
  test::expect_error<UsageError>([] { words_of({{"Ink", 1}, {"ink", 1}}); }, "'Ink'", "'ink'");
  test::expect_error<UsageError>([] { words_of({{" ", 1}}); }, "is no word");
  test::expect_error<UsageError>([] { words_of({{"ink", 76}}); }, "76 vectors", "room for 75");
}

TEST(EmbeddedWords, AChunkEndsBeforeOneThatDoesNotFit) {
  const auto variant = read({{"ink", 8}}, repeated("word ", 70) + "ink word");
  EXPECT_EQ(variant.chunks, 2);
  EXPECT_EQ(variant.tokens.ids[71], ClipTokenizer::kEos);
  for (int64_t i = 0; i < 8; ++i)
    EXPECT_EQ(variant.tokens.ids[static_cast<std::size_t>(78 + i)], kFirst + i);
  // With room for it, it stays.
  EXPECT_EQ(read({{"ink", 5}}, repeated("word ", 70) + "ink").chunks, 1);
}

TEST(EmbeddedWords, WhatStandsBehindACommaNearAFullChunksEndMovesWhole) {
  const auto prompt = repeated("word ", 66) + ", ink " + "cat";  // 67 tokens, 8, and one too many
  const auto variant = read({{"ink", 8}}, prompt);
  EXPECT_EQ(variant.chunks, 2);
  EXPECT_EQ(variant.tokens.ids[68], ClipTokenizer::kEos);  // behind the comma
  EXPECT_EQ(variant.tokens.ids[78], kFirst);
  EXPECT_EQ(variant.tokens.ids[85], kFirst + 7);
}

TEST(EmbeddedWords, EmphasisHoldsForAllVectors) {
  const auto variant = read({{"ink", 3}}, "a (ink:1.3) cat");
  const std::vector<float> weights(variant.weights.begin() + 1, variant.weights.begin() + 6);
  EXPECT_EQ(weights, (std::vector<float>{1, 1.3F, 1.3F, 1.3F, 1}));
}

TEST(EmbeddedWords, ANameIsOneWord) {
  const std::string prompt = "a bad-style.v2 cat";
  const PromptWords words(prompt, words_of({{"bad-style.v2", 3}})->encode(prompt));
  EXPECT_EQ(words.list(), "a, bad-style.v2, cat");
  EXPECT_EQ(words.find("bad-style.v2"), (Positions{2, 3, 4}));
  EXPECT_EQ(words.find("a bad-style.v2 cat"), (Positions{1, 2, 3, 4, 5}));
  EXPECT_THROW(words.find("v2"), UsageError);
  // Without the embedding the point parts two words.
  EXPECT_EQ(PromptWords(prompt, ClipTokenizer::instance().encode(prompt, 77)).list(),
            "a, bad-style, v2, cat");
}

TEST(EmbeddedWords, ASwapTakesOneForAWordOfSeveralTokens) {
  const auto words = words_of({{"ink", 3}});
  const std::string source = "a cat here", target = "a ink here";
  const auto from = words->encode(source), to = words->encode(target);
  const auto replaced = replace_words({source, from}, {target, to});
  ASSERT_EQ(replaced.words.size(), 1u);
  EXPECT_EQ(replaced.words[0].target_positions, (Positions{2, 3, 4}));
  EXPECT_DOUBLE_EQ(replaced.at(2, 3), 1.0 / 3);
}

}  // namespace
}  // namespace sd
