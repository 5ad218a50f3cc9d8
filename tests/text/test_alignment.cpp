#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/alignment.h"
#include "sd/text/clip_tokenizer.h"
#include "support/expect_error.h"

namespace sd {
namespace {

constexpr int64_t kLength = 77;

TokenizedPrompt encode(std::string_view text) { return ClipTokenizer::instance().encode(text); }

WordReplacement replace(std::string_view source, std::string_view target) {
  const auto source_tokens = encode(source);
  const auto target_tokens = encode(target);
  return replace_words({source, source_tokens}, {target, target_tokens});
}

TokenAlignment align(std::string_view source, std::string_view target) {
  return align_ids(encode(source).ids, encode(target).ids);
}

TokenRefinement refine(std::string_view source, std::string_view target) {
  return refine_tokens(encode(source), encode(target));
}

std::vector<int64_t> counting() {
  std::vector<int64_t> positions(static_cast<std::size_t>(kLength));
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

/// Entries that are not 0 and not those of the identity, as [source, target, value].
nlohmann::json unusual_entries(const WordReplacement& replacement) {
  auto entries = nlohmann::json::array();
  for (int64_t w = 0; w < replacement.length; ++w) {
    for (int64_t n = 0; n < replacement.length; ++n) {
      const double value = replacement.at(w, n);
      // The reference was stored as float32.
      if (value != 0 && !(w == n && value == 1)) {
        entries.push_back({w, n, static_cast<double>(static_cast<float>(value))});
      }
    }
  }
  return entries;
}

void expect_rows_sum_to_one(const WordReplacement& replacement, std::string_view what) {
  for (int64_t w = 0; w < replacement.length; ++w) {
    double sum = 0;
    for (int64_t n = 0; n < replacement.length; ++n) sum += replacement.at(w, n);
    EXPECT_NEAR(sum, 1, 1e-12) << what << ", row " << w;  // a few roundings of 1/n in double
  }
}

nlohmann::json reference_pairs() {
  std::ifstream file(std::filesystem::path(SD_TEST_DATA) / "goldens" / "alignment.json");
  return nlohmann::json::parse(file);
}

TEST(Alignment, EqualsTheOriginalsOnEveryReferencePair) {
  const auto pairs = reference_pairs();
  ASSERT_EQ(pairs.size(), 137U);
  int64_t refined = 0;
  int64_t replaced = 0;
  for (const auto& pair : pairs) {
    const auto source = pair["sprompt"].get<std::string>();
    const auto target = pair["prompt"].get<std::string>();
    SCOPED_TRACE(source + " -> " + target);
    const auto alignment = align(source, target);
    EXPECT_EQ(alignment.mask, pair["mask"].get<std::vector<double>>());
    EXPECT_EQ(alignment.indices, pair["indices"].get<std::vector<int64_t>>());
    if (pair.contains("refine_mapper")) {  // the original cannot refine prompts that are cut
      const auto refinement = refine(source, target);
      EXPECT_EQ(refinement.mapper, pair["refine_mapper"].get<std::vector<int64_t>>());
      EXPECT_EQ(refinement.alphas, pair["refine_alphas"].get<std::vector<double>>());
      ++refined;
    }
    if (pair.contains("replace_nonzero")) {
      EXPECT_EQ(unusual_entries(replace(source, target)), pair["replace_nonzero"]);
      ++replaced;
    }
  }
  EXPECT_EQ(refined, 136);
  EXPECT_EQ(replaced, 34);
}

TEST(Alignment, ReplacementRowsSumToOneOnEveryReferencePair) {
  for (const auto& pair : reference_pairs()) {
    const auto source = pair["sprompt"].get<std::string>();
    const auto target = pair["prompt"].get<std::string>();
    if (prompt_to_prompt_mode(source, target) == AlignmentMode::kReplace) {
      expect_rows_sum_to_one(replace(source, target), source + " -> " + target);
    }
  }
}

TEST(AlignIds, TheSamePromptIsTheIdentity) {
  const auto alignment = align("a cat and a dog", "a cat and a dog");
  EXPECT_EQ(alignment.mask, std::vector<double>(77, 1.0));
  EXPECT_EQ(alignment.indices, counting());
}

TEST(AlignIds, AnInsertedWordKeepsItsOwnMap) {
  const auto alignment = align("a cat", "a black cat");
  EXPECT_EQ(alignment.mask[2], 0);
  EXPECT_EQ(alignment.indices[3], 2);
  EXPECT_EQ(std::count(alignment.mask.begin(), alignment.mask.end(), 0.0), 1);
}

TEST(AlignIds, DeletingWordsLeavesTheLastPaddingsUnmapped) {
  const auto alignment = align("a very black cat", "a cat");
  EXPECT_EQ(alignment.indices[2], 4);
  EXPECT_EQ(std::vector<double>(alignment.mask.end() - 3, alignment.mask.end()),
            (std::vector<double>{1, 0, 0}));
}

TEST(AlignIds, ReorderingBecomesPositionalSwaps) {
  const auto alignment = align("a dog and a cat", "a cat and a dog");
  EXPECT_EQ(alignment.mask, std::vector<double>(77, 1.0));
  EXPECT_EQ(alignment.indices, counting());
}

TEST(AlignIds, OtherLengthsAndEmptySequencesAreAligned) {
  const std::vector<int64_t> source = {1, 2, 3};
  const std::vector<int64_t> target = {2, 3, 4, 5};
  const auto alignment = align_ids(source, target);
  EXPECT_EQ(alignment.mask, (std::vector<double>{1, 1, 0, 0}));
  EXPECT_EQ(alignment.indices, (std::vector<int64_t>{1, 2, 0, 0}));
  EXPECT_EQ(align_ids({}, target).mask, std::vector<double>(4, 0.0));
  EXPECT_TRUE(align_ids(source, {}).mask.empty());
}

TEST(RefineTokens, TheSamePromptIsTheIdentity) {
  const auto refinement = refine("a cat and a dog", "a cat and a dog");
  EXPECT_EQ(refinement.mapper, counting());
  EXPECT_EQ(refinement.alphas, std::vector<double>(77, 1.0));
}

TEST(RefineTokens, NewWordsKeepTheirOwnMap) {
  const auto refinement = refine("a house", "a snowy house at night");
  EXPECT_EQ(std::vector<int64_t>(refinement.mapper.begin(), refinement.mapper.begin() + 8),
            (std::vector<int64_t>{0, 1, -1, 2, -1, -1, 3, 7}));
  EXPECT_EQ(std::vector<double>(refinement.alphas.begin(), refinement.alphas.begin() + 8),
            (std::vector<double>{1, 1, 0, 1, 0, 0, 1, 1}));
}

TEST(RefineTokens, APromptThatIsCutIsRefinedToTheLastToken) {
  std::string source;
  for (int i = 0; i < 90; ++i) source += "very ";
  const auto refinement = refine(source, "red " + source);
  EXPECT_EQ(refinement.mapper[1], TokenRefinement::kNew);
  EXPECT_EQ(refinement.mapper[76], 76);
  EXPECT_EQ(std::count(refinement.mapper.begin(), refinement.mapper.end(), -1), 1);
}

TEST(RefineTokens, PromptsOfDifferentLengthsAreAnError) {
  const auto& clip = ClipTokenizer::instance();
  test::expect_error<UsageError>([&] { refine_tokens(clip.encode("a"), clip.encode("a", 20)); },
                                 "77", "20");
}

TEST(ReplaceWords, TheSamePromptIsTheIdentity) {
  const auto replacement = replace("a photorealistic cat", "a photorealistic cat");
  EXPECT_EQ(replacement.length, kLength);
  EXPECT_TRUE(unusual_entries(replacement).empty());
  EXPECT_TRUE(replacement.words.empty());
}

TEST(ReplaceWords, NamesTheWordsThatDiffer) {
  const auto replacement = replace("a Cat, on tiger-striped grass", "a cat, on red hay");
  ASSERT_EQ(replacement.words.size(), 2U);
  EXPECT_EQ(replacement.words[0].source, "tiger-striped");
  EXPECT_EQ(replacement.words[0].target, "red");
  EXPECT_EQ(replacement.words[0].source_positions, (std::vector<int64_t>{5, 6, 7}));
  EXPECT_EQ(replacement.words[0].target_positions, std::vector<int64_t>{5});
  EXPECT_EQ(replacement.words[1].target_positions, std::vector<int64_t>{6});
}

TEST(ReplaceWords, OneTokenSpreadsEvenlyOverMany) {
  const auto replacement = replace("a red cat", "a tiger-striped cat");
  for (const int64_t n : {2, 3, 4}) EXPECT_DOUBLE_EQ(replacement.at(2, n), 1.0 / 3);
  EXPECT_EQ(replacement.at(3, 5), 1);  // the cat
  EXPECT_EQ(replacement.at(4, 6), 1);  // the end
  expect_rows_sum_to_one(replacement, "1 to 3");
}

TEST(ReplaceWords, ManyTokensMapToManyAndKeepTheirSum) {
  const auto replacement = replace("a tiger-striped cat", "a photorealistic cat");
  for (const int64_t w : {2, 3, 4}) {
    for (const int64_t n : {2, 3}) EXPECT_EQ(replacement.at(w, n), 0.5);
  }
  EXPECT_EQ(replacement.at(5, 4), 1);
  expect_rows_sum_to_one(replacement, "3 to 2");
}

TEST(ReplaceWords, TheLastPositionStandsForWhatRemains) {
  const auto longer = replace("a red cat", "a tiger-striped cat");
  for (const int64_t w : {74, 75, 76}) EXPECT_EQ(longer.at(w, 76), 1) << w;
  const auto shorter = replace("a tiger-striped cat", "a red cat");
  for (const int64_t n : {74, 75, 76}) EXPECT_DOUBLE_EQ(shorter.at(76, n), 1.0 / 3) << n;
}

TEST(ReplaceWords, WordsThatAreCutKeepRowSums) {
  std::string start;
  for (int i = 0; i < 73; ++i) start += "very ";
  const std::string source = start + "red big cat";
  const std::string target = start + "tiger-striped small dog";
  expect_rows_sum_to_one(replace(source, target), "target cut");
  expect_rows_sum_to_one(replace(target, source), "source cut");
  const auto words = replace(source, target).words;
  ASSERT_EQ(words.size(), 3U);
  EXPECT_EQ(words[0].target_positions, (std::vector<int64_t>{74, 75}));
  EXPECT_EQ(words[1].source_positions, std::vector<int64_t>{75});
  EXPECT_TRUE(words[1].target_positions.empty());
}

TEST(ReplaceWords, AnyWhiteSpaceSeparatesWords) {
  EXPECT_TRUE(unusual_entries(replace("a  red\tcat ", " a red\u3000cat")).empty());
}

TEST(ReplaceWords, AnotherNumberOfWordsIsAnError) {
  test::expect_error<UsageError>([] { replace("a cat", "a black cat"); }, "2 words", "3 words",
                                 "refine");
  test::expect_error<UsageError>([] { replace("", "cat"); }, "0 words", "1 word");
}

TEST(PromptToPromptMode, EqualNumbersOfWordsAreReplaced) {
  EXPECT_EQ(prompt_to_prompt_mode("a red cat", "a  tiger-striped dog"), AlignmentMode::kReplace);
  EXPECT_EQ(prompt_to_prompt_mode("a cat", "a red cat"), AlignmentMode::kRefine);
  EXPECT_EQ(prompt_to_prompt_mode("", "cat"), AlignmentMode::kRefine);
}

}  // namespace
}  // namespace sd
