#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "sd/core/model_config.h"
#include "sd/text/alignment_table.h"
#include "sd/text/word_piece_tokenizer.h"
#include "sd/text/words.h"
#include "support/expect_error.h"

namespace sd {
namespace {

const WordPieceTokenizer& bert() {
  static const WordPieceTokenizer tokenizer;
  return tokenizer;
}

nlohmann::json read_json(const char* name) {
  std::ifstream file(std::filesystem::path(SD_TEST_DATA) / "text" / name);
  return nlohmann::json::parse(file);
}

std::vector<int64_t> ids_of(std::string_view text) {
  std::vector<int64_t> ids;
  for (const auto& token : bert().tokenize(text)) ids.push_back(token.id);
  return ids;
}

/// "snow|##board|##er": how the tokens read.
std::string pieces(std::string_view text) {
  std::string joined;
  for (const auto& token : bert().tokenize(text)) {
    if (!joined.empty()) joined += '|';
    joined += bert().decode(token.id);
  }
  return joined;
}

/// The parts of `text` that its tokens came from.
std::vector<std::string> sources(std::string_view text) {
  std::vector<std::string> parts;
  for (const auto& token : bert().tokenize(text)) {
    parts.emplace_back(text.substr(token.begin, token.end - token.begin));
  }
  return parts;
}

using Strings = std::vector<std::string>;
using Positions = std::vector<int64_t>;

TEST(WordPieceTokenizer, IdsEqualTheOriginalsOnEveryReferenceText) {
  const auto texts = read_json("bert_tokens.json");
  ASSERT_EQ(texts.size(), 198U);
  for (const auto& entry : texts) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(bert().encode(text).ids, entry["ids"].get<std::vector<int64_t>>()) << text;
  }
}

TEST(WordPieceTokenizer, IdsEqualHuggingFacesOnRandomTextOfManyScripts) {
  const auto texts = read_json("bert_tokens_random.json");
  ASSERT_EQ(texts.size(), 207U);
  for (const auto& entry : texts) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(ids_of(text), entry["ids"].get<std::vector<int64_t>>()) << entry.dump();
  }
}

TEST(WordPieceTokenizer, EmptyPromptIsBeginEndAndPadding) {
  for (const char* text : {"", " ", "\t\n \u00a0\u3000", "\u200b"}) {
    const auto prompt = bert().encode(text);
    std::vector<int64_t> expected(77, WordPieceTokenizer::kPadding);
    expected[0] = WordPieceTokenizer::kBegin;
    expected[1] = WordPieceTokenizer::kEnd;
    EXPECT_EQ(prompt.ids, expected) << text;
    EXPECT_EQ(prompt.padding(), 2);
  }
}

TEST(WordPieceTokenizer, LongPromptsEndAndReportTheRest) {
  std::string text;
  for (int i = 0; i < 80; ++i) text += "cat ";
  const auto prompt = bert().encode(text);
  ASSERT_EQ(prompt.ids.size(), 77U);
  EXPECT_EQ(prompt.ids.back(), WordPieceTokenizer::kEnd);
  EXPECT_EQ(prompt.tokens.size(), 75U);
  EXPECT_EQ(prompt.cut.size(), 5U);
}

TEST(WordPieceTokenizer, SpansAreBytesOfThePromptAsWritten) {
  EXPECT_EQ(pieces("Two SNOWboarders, fast!"), "two|snow|##board|##ers|,|fast|!");
  EXPECT_EQ(sources("Two SNOWboarders, fast!"),
            (Strings{"Two", "SNOW", "board", "ers", ",", "fast", "!"}));
}

TEST(WordPieceTokenizer, SpansReachOverAccentsAndWhatIsDropped) {
  EXPECT_EQ(pieces("caf\u00e9 cafe\u0301"), "cafe|cafe");
  // A separate accent belongs to no token; a control character inside a word lies in its span.
  EXPECT_EQ(sources("caf\u00e9 cafe\u0301s"), (Strings{"caf\u00e9", "cafe\u0301s"}));
  EXPECT_EQ(sources("ca\u200bt"), Strings{"ca\u200bt"});
}

TEST(WordPieceTokenizer, AWordThatCannotBeSpelledIsOneUnknownToken) {
  const auto tokens = bert().tokenize("a \u046a\u046a\u046a cat");
  ASSERT_EQ(tokens.size(), 3U);
  EXPECT_EQ(tokens[1].id, WordPieceTokenizer::kUnknown);
  EXPECT_EQ(tokens[1].end - tokens[1].begin, 6U);
}

TEST(WordPieceTokenizer, AMillionLettersAreOneUnknownWord) {
  EXPECT_EQ(ids_of(std::string(1'000'000, 'x')),
            std::vector<int64_t>{WordPieceTokenizer::kUnknown});
}

TEST(WordPieceTokenizer, IdsOutsideTheVocabularyAreErrors) {
  for (const int64_t id : {int64_t{-1}, WordPieceTokenizer::kVocabulary}) {
    test::expect_error<UsageError>([&] { (void)bert().decode(id); }, std::to_string(id));
  }
  EXPECT_EQ(bert().decode(0), "[PAD]");
  EXPECT_EQ(bert().decode(WordPieceTokenizer::kVocabulary - 1), "##\uff5e");
}

TEST(MakeTokenizer, GivesTheOneThatTheTextEncoderWasTrainedWith) {
  TextConfig text;
  EXPECT_EQ(make_tokenizer(text)->vocabulary(), 49408);
  text.padding = 0;  // Stable Diffusion 2's
  EXPECT_EQ(make_tokenizer(text)->encode("cat").ids.back(), 0);
  text.tokenizer = TokenizerKind::kWordPiece;
  text.positions = 20;
  EXPECT_EQ(make_tokenizer(text)->encode("cat").ids.size(), 20U);
  EXPECT_EQ(make_tokenizer(text)->vocabulary(), 30522);
}

TEST(WordPieceWords, OfSeveralPiecesHaveAllTheirPositions) {
  const std::string prompt = "Two SNOWboarders and a na\u00efve caf\u00e9, two";
  const PromptWords words(prompt, bert().encode(prompt));
  EXPECT_EQ(words.find("snowboarders"), (Positions{2, 3, 4}));
  EXPECT_EQ(words.find("two"), (Positions{1, 10}));
  EXPECT_EQ(words.find("two#2"), Positions{10});
  EXPECT_EQ(words.find("caf\u00e9"), Positions{8});
  EXPECT_EQ(words.find("na\u00efve caf\u00e9"), (Positions{7, 8}));
}

TEST(WordPieceWords, HyphensAndApostrophesInsideAreTokensOfTheWord) {
  const std::string prompt = "picasso's tiger-striped cat";
  ASSERT_EQ(pieces(prompt), "picasso|'|s|tiger|-|striped|cat");
  const PromptWords words(prompt, bert().encode(prompt));
  EXPECT_EQ(words.find("picasso's"), (Positions{1, 2, 3}));
  EXPECT_EQ(words.find("tiger-striped"), (Positions{4, 5, 6}));
}

TEST(WordPieceWords, ReplacementSpreadsAWordOverItsPieces) {
  const std::string source = "a skier on a hill", target = "a snowboarder on a hill";
  const auto from = bert().encode(source), to = bert().encode(target);
  const auto replacement = replace_words({source, from}, {target, to});
  ASSERT_EQ(replacement.words.size(), 1U);
  EXPECT_EQ(replacement.words[0].target, "snowboarder");
  EXPECT_EQ(replacement.words[0].source_positions, Positions{2});
  EXPECT_EQ(replacement.words[0].target_positions, (Positions{2, 3, 4}));
  EXPECT_NEAR(replacement.at(2, 3), 1.0 / 3, 1e-12);
}

}  // namespace
}  // namespace sd
