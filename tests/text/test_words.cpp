#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/clip_tokenizer.h"
#include "sd/text/words.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using Positions = std::vector<int64_t>;

PromptWords words_of(const std::string& prompt) {
  return PromptWords(prompt, ClipTokenizer::instance().encode(prompt));
}

std::vector<std::string> texts_of(const std::string& prompt) {
  std::vector<std::string> texts;
  const auto words = words_of(prompt);
  for (const auto& word : words.words()) texts.push_back(word.text);
  return texts;
}

Positions find(const std::string& prompt, std::string_view query) {
  return words_of(prompt).find(query);
}

/// `count` words of one token each.
std::string filler(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "very ";
  return text;
}

const std::string kHouse = "A photo of a house on a snowy mountain";

TEST(PromptWords, StandBetweenSpacesAndPunctuation) {
  EXPECT_EQ(texts_of("A  photo, of\t(two) cats!"),
            (std::vector<std::string>{"A", "photo", "of", "two", "cats"}));
  EXPECT_EQ(texts_of("red|blue_green, 'old' -- $5 (hat:1.5)"),
            (std::vector<std::string>{"red", "blue", "green", "old", "5", "hat", "1", "5"}));
  EXPECT_TRUE(texts_of("").empty());
  EXPECT_TRUE(texts_of(" ,.!? ").empty());
}

TEST(PromptWords, KeepApostrophesAndHyphensInside) {
  EXPECT_EQ(texts_of("Rembrandt's tiger-striped 'cats' - dogs'"),
            (std::vector<std::string>{"Rembrandt's", "tiger-striped", "cats", "dogs"}));
}

TEST(PromptWords, KnowTheirBytesAndTokens) {
  const auto words = words_of("an unbelievable photorealistic cat, tiger-striped").words();
  ASSERT_EQ(words.size(), 5U);
  EXPECT_EQ(words[2].begin, 16U);
  EXPECT_EQ(words[2].end, 30U);
  EXPECT_EQ(words[2].positions, (Positions{3, 4}));
  EXPECT_EQ(words[3].positions, Positions{5});
  EXPECT_EQ(words[4].positions, (Positions{7, 8, 9}));
}

TEST(PromptWords, CountOccurrencesWithoutRegardToCase) {
  const auto words = words_of(kHouse).words();
  EXPECT_EQ(words[0].occurrence, 1);
  EXPECT_EQ(words[3].occurrence, 2);
  EXPECT_EQ(words[6].occurrence, 3);
  EXPECT_EQ(words_of(kHouse).list(), "A, photo, of, a(2), house, on, a(3), snowy, mountain");
}

TEST(PromptWords, BeyondAsciiAreWordsToo) {
  EXPECT_EQ(texts_of("\u00abCaf\u00e9\u00bb \u65e5\u672c\u3001\u732b \U0001F431"),
            (std::vector<std::string>{"Caf\u00e9", "\u65e5", "\u672c", "\u732b", "\U0001F431"}));
  const std::string cat_of_japan = "\u65e5\u672c\u3001\u732b";
  auto both = find(cat_of_japan, "\u65e5");
  for (const auto position : find(cat_of_japan, "\u672c")) both.push_back(position);
  EXPECT_EQ(find(cat_of_japan, "\u65e5\u672c"), both);
  EXPECT_EQ(find("a CAF\u00c9 by day", "cafe\u0301"), Positions{2});
  EXPECT_EQ(find("\u041a\u041e\u0422", "\u043a\u043e\u0442"),
            words_of("\u041a\u041e\u0422").words()[0].positions);
  EXPECT_EQ(find("rembrandt\u2019s cat", "Rembrandt's"),
            find("rembrandt\u2019s cat", "rembrandt\u2019s"));
}

TEST(PromptWords, AnEmojiIsAWordWhereverItStands) {
  EXPECT_EQ(texts_of("a fox\U0001F98A runs"),
            (std::vector<std::string>{"a", "fox", "\U0001F98A", "runs"}));
  EXPECT_EQ(find("a fox\U0001F98A runs", "\U0001F98A"), (Positions{3, 4}));
  EXPECT_EQ(find("a fox\U0001F98A runs", "fox\U0001F98A"), (Positions{2, 3, 4}));
  EXPECT_EQ(
      texts_of("\U0001F98A\U0001F431\u2192\u20ac5\u00b0"),
      (std::vector<std::string>{"\U0001F98A", "\U0001F431", "\u2192", "\u20ac", "5", "\u00b0"}));
}

TEST(PromptWords, SignsBetweenWordsAndEmojiJoinNothing) {
  EXPECT_EQ(texts_of("cat-\U0001F98A's fox-\u732b tiger-striped"),
            (std::vector<std::string>{"cat", "\U0001F98A", "s", "fox", "\u732b", "tiger-striped"}));
}

TEST(PromptWords, AnEmojiOfSeveralIsOne) {
  const std::string astronaut = "\U0001F469\U0001F3FD\u200d\U0001F680", heart = "\u2764\ufe0f",
                    flag = "\U0001F1EF\U0001F1F5",
                    family = "\U0001F468\u200d\U0001F469\u200d\U0001F467";
  EXPECT_EQ(texts_of("an" + astronaut + family + " " + heart + flag + flag),
            (std::vector<std::string>{"an", astronaut, family, heart, flag, flag}));
  EXPECT_EQ(find("i " + heart + " you", "\u2764"), find("i " + heart + " you", heart));
  EXPECT_EQ(find("a " + flag + " b " + flag, flag + "#2"),
            words_of("a " + flag + " b " + flag).words()[3].positions);
}

TEST(PromptWords, CombiningMarksBelongToTheirLetters) {
  EXPECT_EQ(texts_of("cafe\u0301 x\u0302\u0323y"),
            (std::vector<std::string>{"cafe\u0301", "x\u0302\u0323y"}));
}

TEST(PromptWords, OfScriptsWithoutSpacesAreTheTokenizers) {
  TokenizedPrompt tokens;
  tokens.ids = {1, 10, 11, 12, 13, 2, 0, 0};
  // "赤い" "猫" "が" "走る", as a SentencePiece model divides it.
  tokens.tokens = {{10, 0, 6}, {11, 6, 9}, {12, 9, 12}, {13, 12, 18}};
  const PromptWords words("\u8d64\u3044\u732b\u304c\u8d70\u308b", tokens);
  EXPECT_EQ(words.list(), "\u8d64\u3044, \u732b, \u304c, \u8d70\u308b");
  EXPECT_EQ(words.find("\u732b"), Positions{2});
  EXPECT_EQ(words.find("\u8d64\u3044\u732b"), (Positions{1, 2}));
  test::expect_error<UsageError>([&] { words.find("\u3044\u732b"); }, "is not in the prompt");
}

TEST(PromptWords, OfJapaneseAreFoundByClipsTokens) {
  const std::string prompt = "\u6771\u4eac\u306e\u9ed2\u3044\u732b, 4k";
  const auto words = words_of(prompt);
  EXPECT_FALSE(words.find("\u732b").empty());
  for (const auto& word : words.words()) {
    EXPECT_EQ(words.find(word.text + "#" + std::to_string(word.occurrence)), word.positions);
  }
  EXPECT_EQ(words.find("\u6771\u4eac\u306e\u9ed2\u3044\u732b").front(), 1);
}

TEST(PromptWords, OfKoreanAndOthersWithSpacesStayWhole) {
  EXPECT_EQ(texts_of("\uac80\uc740 \uace0\uc591\uc774"),
            (std::vector<std::string>{"\uac80\uc740", "\uace0\uc591\uc774"}));
}

TEST(PromptWords, BrokenUtf8IsNoObstacle) {
  EXPECT_EQ(find("\xff\xfe cat \xc3", "cat"), words_of("\xff\xfe cat").words()[1].positions);
}

TEST(PromptWords, OfEveryReferenceTextAreFoundWithTheirTokens) {
  for (const char* name : {"clip_tokens.json", "clip_tokens_random.json"}) {
    std::ifstream file(std::filesystem::path(SD_TEST_DATA) / "text" / name);
    for (const auto& entry : nlohmann::json::parse(file)) {
      const auto prompt = entry["text"].get<std::string>();
      const auto words = words_of(prompt);
      for (const auto& word : words.words()) {
        if (word.cut) continue;
        EXPECT_FALSE(word.positions.empty()) << word.text << " in " << entry.dump();
        EXPECT_EQ(words.find(fmt::format("{}#{}", word.text, word.occurrence)), word.positions)
            << word.text << " in " << entry.dump();
      }
    }
  }
}

TEST(PromptWords, TakeTokensOfAnyTokenizer) {
  TokenizedPrompt tokens;
  tokens.ids = {101, 7, 8, 102, 0, 0};
  tokens.tokens = {{7, 0, 3}, {8, 3, 6}};
  EXPECT_EQ(PromptWords("abcdef", tokens).find("abcdef"), (Positions{1, 2}));
}

TEST(FindWord, FindsEveryOccurrenceOrOne) {
  EXPECT_EQ(find(kHouse, "snowy"), Positions{8});
  EXPECT_EQ(find(kHouse, "a"), (Positions{1, 4, 7}));
  EXPECT_EQ(find(kHouse, "a#2"), Positions{4});
  EXPECT_EQ(find(kHouse, "SNOWY,"), Positions{8});
  EXPECT_EQ(find("a (snowy), hill", " snowy "), Positions{3});
}

TEST(FindWord, FindsPhrases) {
  const std::string prompt = "a red car, a blue car and a Red  car";
  EXPECT_EQ(find(prompt, "red car"), (Positions{2, 3, 10, 11}));
  EXPECT_EQ(find(prompt, "red car#2"), (Positions{10, 11}));
  EXPECT_EQ(find(prompt, "car a blue"), (Positions{3, 5, 6}));
  EXPECT_EQ(find("very very very", "very very"), (Positions{1, 2, 3}));
  EXPECT_EQ(find("very very very", "very very#2"), (Positions{2, 3}));
}

TEST(FindWord, FindsTokensByIndex) {
  EXPECT_EQ(find(kHouse, "@0"), Positions{0});
  EXPECT_EQ(find(kHouse, "@76"), Positions{76});
  for (const char* query : {"@77", "@-1", "@99999999999999999999"}) {
    test::expect_error<UsageError>([&] { find(kHouse, query); }, query, "@0 to @76");
  }
}

TEST(FindWord, HashesAndAtSignsOfThePromptAreNoGrammar) {
  EXPECT_EQ(find("player #2 by @artist", "#2"), find("player #2 by @artist", "2"));
  EXPECT_EQ(find("player #2 by @artist", "@artist"), find("player #2 by @artist", "artist"));
}

TEST(FindWord, AWordThatIsAbsentListsTheWordsAndTheNearest) {
  test::expect_error<UsageError>(
      [] { find(kHouse, "Snowwy"); },
      "'Snowwy' is not in the prompt. Words: A, photo, of, a(2), house, on, a(3), snowy, mountain\n"
      "Did you mean 'snowy'?");
  test::expect_error<UsageError>([] { find(kHouse, "a hause"); }, "'a hause' is not",
                                 "Did you mean 'house'?");
  test::expect_error<UsageError>([] { find("", "cat"); }, "'cat' is not in the prompt",
                                 "It has no words");
}

TEST(FindWord, WordsThatStandApartAreNoPhrase) {
  test::expect_error<UsageError>([] { find(kHouse, "house mountain"); }, "consecutive", "Words: A");
}

TEST(FindWord, AnOccurrenceThatIsAbsentSaysHowManyThereAre) {
  for (const char* query : {"a#4", "a#0", "a#99999999999999999999"}) {
    test::expect_error<UsageError>([&] { find(kHouse, query); }, query, "occurs 3 times",
                                   "from #1");
  }
  test::expect_error<UsageError>([] { find(kHouse, "snowy#2"); }, "occurs once");
}

TEST(FindWord, AQueryWithoutAWordIsAnError) {
  for (const char* query : {"", "  ", ",", "#", "@"}) {
    test::expect_error<UsageError>([&] { find(kHouse, query); }, "names no word", "Words: A");
  }
}

TEST(FindWord, AWordThatWasCutOffIsSaidToBe) {
  const std::string prompt = "a cat " + filler(73) + "cat dog";
  EXPECT_EQ(find(prompt, "cat"), Positions{2});
  EXPECT_EQ(words_of(prompt).words().back().positions, Positions{});
  EXPECT_TRUE(words_of(prompt).words().back().cut);
  for (const char* query : {"dog", "cat#2", "cat dog"}) {
    test::expect_error<UsageError>([&] { find(prompt, query); },
                                   std::string("'") + query + "' was cut off after 77 tokens",
                                   "Words: a, cat, very, very(2)");
  }
}

TEST(FindWord, AWordThatIsHalfCutOffCountsAsCut) {
  const std::string prompt = filler(74) + "photorealistic";
  EXPECT_EQ(words_of(prompt).words().back().positions, Positions{75});
  test::expect_error<UsageError>([&] { find(prompt, "photorealistic"); }, "was cut off");
  EXPECT_EQ(find(prompt, "@75"), Positions{75});
}

}  // namespace
}  // namespace sd
