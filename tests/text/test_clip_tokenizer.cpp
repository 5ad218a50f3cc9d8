#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/clip_tokenizer.h"
#include "support/expect_error.h"
#include "text/byte_pair_encoding.h"

namespace sd {
namespace {

const ClipTokenizer& clip() { return ClipTokenizer::instance(); }

nlohmann::json read_json(const char* name) {
  std::ifstream file(std::filesystem::path(SD_TEST_DATA) / "text" / name);
  return nlohmann::json::parse(file);
}

std::vector<int64_t> ids_of(std::string_view text) {
  std::vector<int64_t> ids;
  for (const auto& token : clip().tokenize(text)) ids.push_back(token.id);
  return ids;
}

/// The parts of `text` that its tokens came from.
std::vector<std::string> sources(std::string_view text) {
  std::vector<std::string> parts;
  for (const auto& token : clip().tokenize(text))
    parts.emplace_back(text.substr(token.begin, token.end - token.begin));
  return parts;
}

TEST(ClipTokenizer, IdsEqualHuggingFacesOnEveryReferenceText) {
  const auto texts = read_json("clip_tokens.json");
  ASSERT_EQ(texts.size(), 198U);
  for (const auto& entry : texts) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(clip().encode(text).ids, entry["ids"].get<std::vector<int64_t>>()) << text;
  }
}

TEST(ClipTokenizer, IdsEqualHuggingFacesOnRandomTextOfManyScripts) {
  const auto texts = read_json("clip_tokens_random.json");
  ASSERT_EQ(texts.size(), 200U);
  for (const auto& entry : texts) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(ids_of(text), entry["ids"].get<std::vector<int64_t>>()) << entry.dump();
  }
}

TEST(ClipTokenizer, EmptyPromptIsStartAndPadding) {
  for (const char* text : {"", " ", "\t\n \u00a0\u3000"}) {
    const auto prompt = clip().encode(text);
    std::vector<int64_t> expected(77, ClipTokenizer::kEos);
    expected[0] = ClipTokenizer::kBos;
    EXPECT_EQ(prompt.ids, expected);
    EXPECT_TRUE(prompt.tokens.empty());
    EXPECT_TRUE(prompt.cut.empty());
  }
}

TEST(ClipTokenizer, SpansAreBytesOfThePromptAsWritten) {
  EXPECT_EQ(sources("A  photo, of\tCats!"),
            (std::vector<std::string>{"A", "photo", ",", "of", "Cats", "!"}));
  EXPECT_EQ(sources("unbelievable photorealistic"),
            (std::vector<std::string>{"unbelievable", "photo", "realistic"}));
}

TEST(ClipTokenizer, SpansReachThroughNormalisation) {
  // Decomposed letters compose, and a capital I with a dot becomes two characters.
  EXPECT_EQ(sources("x cafe\u0301 y"), (std::vector<std::string>{"x", "cafe\u0301", "y"}));
  EXPECT_EQ(sources("\u0130z"), (std::vector<std::string>{"\u0130", "\u0130", "z"}));
}

TEST(ClipTokenizer, ATokenThatHoldsAPartOfACharacterSpansTheCharacter) {
  for (const auto& part : sources("\u05e9")) EXPECT_EQ(part, "\u05e9");
  EXPECT_EQ(sources("\u05e9").size(), 2U);
}

TEST(ClipTokenizer, SpecialsAreOneTokenOnlyAsWritten) {
  EXPECT_EQ(ids_of("<|endoftext|>"), std::vector<int64_t>{ClipTokenizer::kEos});
  EXPECT_EQ(sources("a<|startoftext|>b"), (std::vector<std::string>{"a", "<|startoftext|>", "b"}));
  EXPECT_EQ(sources("<|EndOfText|>!"),
            (std::vector<std::string>{"<", "|", "EndOf", "Text", "|", ">", "!"}));
}

TEST(ClipTokenizer, LongPromptKeepsTheFirstTokensAndReportsTheRest) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += "word" + std::string(i + 1 < 10000 ? " " : "");
  const auto prompt = clip().encode(text);
  ASSERT_EQ(prompt.ids.size(), 77U);
  EXPECT_EQ(prompt.ids.front(), ClipTokenizer::kBos);
  EXPECT_EQ(prompt.ids[75], prompt.ids[1]);
  EXPECT_EQ(prompt.ids[76], ClipTokenizer::kEos);
  EXPECT_EQ(prompt.tokens.size(), 75U);
  EXPECT_EQ(prompt.cut.size(), 9925U);
  EXPECT_EQ(prompt.cut.front().begin, 75U * 5);
  EXPECT_EQ(prompt.cut.back().end, text.size());
}

TEST(ClipTokenizer, PromptThatJustFitsIsNotCut) {
  std::string text;
  for (int i = 0; i < 75; ++i) text += "a ";
  EXPECT_TRUE(clip().encode(text).cut.empty());
  EXPECT_EQ(clip().encode(text + "a").cut.size(), 1U);
}

TEST(ClipTokenizer, OneWordOfAMillionLettersIsTokenized) {
  // A quadratic merge would not come to an end here.
  const auto tokens = clip().tokenize(std::string(1000000, 'a'));
  EXPECT_EQ(tokens.back().end, 1000000U);
}

TEST(ClipTokenizer, OtherLengthsAreFilledToo) {
  EXPECT_EQ(clip().encode("a", 2).ids,
            (std::vector<int64_t>{ClipTokenizer::kBos, ClipTokenizer::kEos}));
  EXPECT_EQ(clip().encode("a", 2).cut.size(), 1U);
  EXPECT_EQ(clip().encode("a", 5).ids, (std::vector<int64_t>{49406, 320, 49407, 49407, 49407}));
  for (const int64_t length : {int64_t{1}, int64_t{0}, int64_t{-77}}) {
    EXPECT_THROW(clip().encode("a", length), UsageError) << length;
  }
}

TEST(ClipTokenizer, BrokenUtf8ReadsAsReplacementCharacters) {
  EXPECT_EQ(ids_of("a\xff"
                   "b"),
            ids_of("a\ufffd"
                   "b"));
  EXPECT_EQ(ids_of("\xed\xa0\x80"), ids_of("\ufffd\ufffd\ufffd"));
  EXPECT_EQ(ids_of("cat\xe6\x97"), ids_of("cat\ufffd"));
}

TEST(ClipTokenizer, EveryByteAloneGivesAToken) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    const bool space = byte == ' ' || (byte >= '\t' && byte <= '\r');
    EXPECT_EQ(ids_of(text).empty(), space) << byte;
  }
}

TEST(ClipTokenizer, DecodedTokensSpellThePrompt) {
  std::string text;
  for (const auto& token : clip().tokenize("A photorealistic caf\u00e9 \u65e5\u672c"))
    text += clip().decode(token.id);
  EXPECT_EQ(text, "a photorealistic caf\u00e9 \u65e5\u672c ");
  EXPECT_EQ(clip().decode(ClipTokenizer::kBos), "<|startoftext|>");
  EXPECT_EQ(clip().decode(ClipTokenizer::kEos), "<|endoftext|>");
}

TEST(ClipTokenizer, IdsOutsideTheVocabularyAreErrors) {
  for (const int64_t id : {int64_t{-1}, ClipTokenizer::kVocabulary}) {
    test::expect_error<UsageError>([&] { clip().decode(id); }, std::to_string(id), "[0, 49408)");
  }
}

TEST(BytePairEncoding, EarlierMergesComeFirstAndTheLeftmostOfEquals) {
  const BytePairEncoding encoding("#\nb c\na b\na a\n");
  const auto spell = [&](std::string_view word) {
    std::string text;
    for (const auto& piece : encoding.encode(word)) text += encoding.bytes(piece.id) + "|";
    return text;
  };
  EXPECT_EQ(spell("abcx"), "a|bc|x |");
  EXPECT_EQ(spell("aaax"), "aa|a|x |");
  EXPECT_EQ(spell("x"), "x |");
  EXPECT_EQ(spell(""), "");
}

TEST(BytePairEncoding, DamagedMergesAreAnError) {
  test::expect_error<Error>([] { BytePairEncoding("#\na b\nab zz\n"); }, "merge 1", "ab zz");
  test::expect_error<Error>([] { BytePairEncoding("#\nlonely\n"); }, "merge 0");
}

}  // namespace
}  // namespace sd
