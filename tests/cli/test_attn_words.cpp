#include <gtest/gtest.h>

#include "cli/maps/attn_draw.h"
#include "cli/maps/attn_scale.h"
#include "cli/options/attn_lists.h"
#include "cli/options/attn_words.h"
#include "cli/options/choices.h"
#include "sd/core/error.h"
#include "sd/text/clip_tokenizer.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

using test::expect_error;

const Tokenizer& clip() { return ClipTokenizer::instance(); }

std::vector<std::string> stems_of(const std::vector<AttnWord>& words) {
  std::vector<std::string> stems;
  for (const auto& word : words) stems.push_back(word.stem);
  return stems;
}

TEST(ChooseWords, TakesEveryWordOnceWithAllItsTokens) {
  const auto words = choose_words("a cat, a Cat and a dog", {}, clip());
  EXPECT_EQ(stems_of(words), (std::vector<std::string>{"01_a", "02_cat", "06_and", "08_dog"}));
  EXPECT_EQ(words[1].positions, (std::vector<int64_t>{2, 5}));
}

TEST(ChooseWords, KeepsTheOrderAskedForAndDropsRepetitions) {
  const auto words = choose_words("a cat and a cat", {"cat#2", "and a", "CAT#2", "@0"}, clip());
  EXPECT_EQ(stems_of(words), (std::vector<std::string>{"05_cat_2", "03_and_a", "00__0"}));
}

TEST(ChooseWords, ListsTheWordsThereAre) {
  expect_error<UsageError>([] { choose_words("a cat", {"dog"}, clip()); }, "Words: a, cat");
  expect_error<UsageError>([] { choose_words("!!", {}, clip()); }, "no words");
}

TEST(FileNamePart, IsSafe) {
  EXPECT_EQ(file_name_part("snowy"), "snowy");
  EXPECT_EQ(file_name_part("../etc/passwd"), "___etc_passwd");
  EXPECT_EQ(file_name_part("naïve"), "naïve");
  EXPECT_EQ(file_name_part("\x1b[31m"), "__31m");
  EXPECT_EQ(file_name_part("\xff\xfe"), "__");
  EXPECT_EQ(file_name_part(""), "_");
  EXPECT_EQ(file_name_part(std::string(500, 'x')).size(), 48u);
}

TEST(CheckAttn, AWordThatOnePromptLacksIsAnError) {
  AttnOptions options;
  options.dir = "maps";
  options.words = {"cat"};
  AttnSubject subject;
  subject.prompts = {"a cat", "two cat"};
  EXPECT_NO_THROW(check_attn(options, subject, clip()));
  subject.prompts = {"a cat", "a dog"};
  expect_error<UsageError>([&] { check_attn(options, subject, clip()); }, "\"a dog\"",
                           "'cat' is not in the prompt");
}

TEST(CheckAttn, OfTheNegativePromptNeedsAStepThatIsGuided) {
  AttnOptions options;
  options.dir = "maps";
  options.conditional = false;
  options.steps = {0.5, 1};
  AttnSubject subject;
  subject.prompts = {"a cat"};
  subject.negative_prompt = "a dog";
  subject.steps = 4;
  subject.guidance_interval = {0.25, 0.75};
  EXPECT_NO_THROW(check_attn(options, subject, clip()));
  subject.guidance_interval = {0, 0.5};
  expect_error<UsageError>([&] { check_attn(options, subject, clip()); }, "--attn-rows uncond",
                           "--guidance-interval");
  options.conditional = true;
  EXPECT_NO_THROW(check_attn(options, subject, clip()));
}

TEST(ParseHeads, TakesRanges) {
  EXPECT_EQ(parse_heads("--h", "0-2, 6,1"), (std::vector<int64_t>{0, 1, 2, 6}));
  for (const char* wrong : {"", "a", "3-1", "-1", "1-", "0-999", "1,,2"}) {
    expect_error<UsageError>([&] { parse_heads("--h", wrong); }, "--h");
  }
}

TEST(ParseSteps, TakesFractionsWithOpenEnds) {
  EXPECT_EQ(parse_steps("--s", "0.25:0.5").begin, 0.25);
  EXPECT_EQ(parse_steps("--s", ":0.5").end, 0.5);
  EXPECT_EQ(parse_steps("--s", "0.5:").end, 1);
  for (const char* wrong : {"", "0.5", "0.5:0.5", "nan:1", "-1:1", "0:2", "a:b", "0:1:1"}) {
    expect_error<UsageError>([&] { parse_steps("--s", wrong); }, "--s");
  }
}

/// Maps of 2x2 pixels; word A is bright on the left, word B half as bright on the right.
TokenMaps two_words() {
  return {3, 2, 2, {0.4F, 0.1F, 0.4F, 0.1F, 0.4F, 0.2F, 0.4F, 0.2F, 0.1F, 0.2F, 0.1F, 0.2F}};
}

Image drawn(AttnNorm norm, std::size_t word) {
  const Image picture{2, 2, 3, std::vector<uint8_t>(12, 0)};
  const std::vector<AttnWord> words = {{"a", {1}, "01_a"}, {"b", {2}, "02_b"}};
  AttnOptions options;
  options.norm = norm;
  return draw_words({picture, words, options, 1, 3}, two_words()).at(word).grey;
}

TEST(DrawWords, NormsDifferInWhatIsBright) {
  using Row = std::vector<uint8_t>;
  EXPECT_EQ(drawn(AttnNorm::kFork, 1).pixels, (Row{128, 255, 128, 255}));
  EXPECT_EQ(drawn(AttnNorm::kMinMax, 1).pixels, (Row{0, 255, 0, 255}));
  EXPECT_EQ(drawn(AttnNorm::kAbsolute, 1).pixels, (Row{64, 128, 64, 128}));
  EXPECT_EQ(drawn(AttnNorm::kToken, 1).pixels, (Row{51, 128, 51, 128}));
  EXPECT_EQ(drawn(AttnNorm::kToken, 0).pixels, (Row{204, 128, 204, 128}));
}

TEST(AttnOptions, AllMapsShareAScaleUnlessToldOtherwise) {
  EXPECT_EQ(AttnOptions().norm, AttnNorm::kAbsolute);
  EXPECT_EQ(name_of(AttnNorm::kAbsolute), "shared");
}

TEST(HeatScale, NumbersAreWhatDecidesTheColours) {
  const HeatMap map = {0.02F, 0.434F};
  EXPECT_EQ(numbers_of(map, AttnNorm::kAbsolute), "max 43 %");
  EXPECT_EQ(numbers_of(map, AttnNorm::kMinMax), "2.0 % to 43 %");
  EXPECT_EQ(numbers_of({0.0042F}, AttnNorm::kAbsolute), "max 0.42 %");
  EXPECT_EQ(numbers_of({0.0F}, AttnNorm::kToken), "max 0 %");
}

TEST(HeatScale, IsCommonOnlyWhereMapsCompare) {
  const std::vector<HeatMap> maps = {{0.1F, 0.2F}, {0.1F, 0.4F}};
  EXPECT_EQ(scale_of(maps, AttnNorm::kAbsolute).high, 0.4F);
  EXPECT_EQ(scale_of(maps, AttnNorm::kAbsolute).low, 0);
  EXPECT_EQ(scale_of(maps, AttnNorm::kToken).high, 1);
  EXPECT_TRUE(shares_scale(AttnNorm::kAbsolute));
  EXPECT_FALSE(shares_scale(AttnNorm::kMinMax));
  EXPECT_FALSE(shares_scale(AttnNorm::kFork));
}

/// The colours of the sheet of two_words() drawn with a norm, as large as its tiles are.
Image contact(AttnNorm norm, std::size_t steps = 1) {
  const Image picture{2, 2, 3, std::vector<uint8_t>(12, 0)};
  const std::vector<AttnWord> words = {{"a", {1}, "01_a"}, {"b", {2}, "02_b"}};
  AttnOptions options;
  options.norm = norm;
  return draw_contact({picture, words, options, 1, 3, steps}, two_words(), "a b");
}

TEST(DrawContact, MapsAreMeansOverTheSteps) {
  // Twice the steps halve the numbers, and with a shared scale no colour.
  EXPECT_NE(contact(AttnNorm::kAbsolute, 1).pixels, contact(AttnNorm::kAbsolute, 2).pixels);
  EXPECT_EQ(contact(AttnNorm::kToken, 1).pixels, contact(AttnNorm::kToken, 2).pixels);
}

TEST(DrawContact, AWordWithLessAttentionLooksLikeItUnlessEachHasItsOwnScale) {
  EXPECT_NE(contact(AttnNorm::kAbsolute).pixels, contact(AttnNorm::kMinMax).pixels);
}

TEST(DrawContact, ScalesSmallPicturesUpSoThatLabelsFit) {
  const Image picture{64, 32, 3, std::vector<uint8_t>(64 * 32 * 3, 0)};
  const std::vector<AttnWord> words = {{"a", {1}, "01_a"}};
  const AttnOptions options;
  const auto sheet = draw_contact({picture, words, options, 2}, two_words(), "a cat");
  EXPECT_GT(sheet.width, 2 * 256);
}

}  // namespace
}  // namespace sd::cli
