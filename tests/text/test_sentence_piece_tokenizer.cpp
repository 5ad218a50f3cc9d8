#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/alignment.h"
#include "sd/text/sentence_piece_tokenizer.h"
#include "sd/text/words.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::expect_error;
using Positions = std::vector<int64_t>;
using Strings = std::vector<std::string>;

const std::filesystem::path kFolder = std::filesystem::path(SD_TEST_DATA) / "sentencepiece";

SentencePieceConfig config() {
  SentencePieceConfig config;
  config.model = (kFolder / "spiece.model").string();
  config.padding = "[PAD]";
  return config;
}

const std::string& model_bytes() {
  static const std::string bytes = test::read_text(kFolder / "spiece.model");
  return bytes;
}

const SentencePieceTokenizer& plain() {
  static const SentencePieceTokenizer tokenizer(config(), 77);
  return tokenizer;
}

std::vector<int64_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int64_t> ids;
  for (const auto& token : tokenizer.tokenize(text)) ids.push_back(token.id);
  return ids;
}

/// The parts of `text` that its tokens came from.
Strings sources(std::string_view text) {
  Strings parts;
  for (const auto& token : plain().tokenize(text)) {
    parts.emplace_back(text.substr(token.begin, token.end - token.begin));
  }
  return parts;
}

TEST(SentencePieceTokenizer, IdsEqualThePyPIPackagesOnEveryReferenceText) {
  std::ifstream file(kFolder / "ids.json");
  const auto texts = nlohmann::json::parse(file);
  ASSERT_EQ(texts.size(), 100U);
  for (const auto& entry : texts) {
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(ids_of(plain(), text), entry["ids"].get<std::vector<int64_t>>()) << entry.dump();
  }
}

TEST(SentencePieceTokenizer, APromptIsItsPiecesAnEndAndPadding) {
  const auto prompt = plain().encode("a", 5);
  EXPECT_EQ(prompt.first, 0);
  EXPECT_EQ(prompt.padding(), 2);
  EXPECT_EQ(prompt.ids, (std::vector<int64_t>{ids_of(plain(), "a")[0], 2, 3, 3, 3}));
  EXPECT_EQ(plain().encode("").ids.front(), 2);
  EXPECT_EQ(plain().length(), 77);
}

TEST(SentencePieceTokenizer, LongPromptsEndAndReportTheRest) {
  std::string text;
  for (int i = 0; i < 80; ++i) text += "a ";
  const auto prompt = plain().encode(text);
  EXPECT_EQ(prompt.tokens.size(), 76U);
  EXPECT_EQ(prompt.cut.size(), 4U);
  EXPECT_EQ(prompt.ids.back(), 2);
}

TEST(SentencePieceTokenizer, SpansAreBytesOfThePromptWithoutItsSpaces) {
  EXPECT_EQ(sources("  a  snow"), (Strings{"a", "snow"}));
  EXPECT_EQ(sources("\uff26\uff35\uff2c\uff2c a"), (Strings{"", "\uff26\uff35\uff2c\uff2c", "a"}));
}

TEST(SentencePieceTokenizer, LowerCaseIsTheConfigurations) {
  auto lower = config();
  lower.lower_case = true;
  const SentencePieceTokenizer tokenizer(lower, 77);
  EXPECT_EQ(ids_of(tokenizer, "A Photo"), ids_of(plain(), "a photo"));
  EXPECT_NE(ids_of(plain(), "A Photo"), ids_of(plain(), "a photo"));
  // I with a dot becomes two characters, of which both came from the one.
  const std::string text = "\u0130";
  for (const auto& token : tokenizer.tokenize(text)) EXPECT_LE(token.end, text.size());
}

TEST(SentencePieceTokenizer, SpecialsAreOneTokenWhereTheyAreNamed) {
  auto special = config();
  special.specials = {"[PAD]", "</s>", "no such piece"};
  const SentencePieceTokenizer tokenizer(special, 77);
  EXPECT_EQ(ids_of(tokenizer, "[PAD]</s>"), (std::vector<int64_t>{3, 2}));
  EXPECT_NE(ids_of(plain(), "[PAD]</s>"), (std::vector<int64_t>{3, 2}));
}

TEST(SentencePieceTokenizer, IdsOutsideTheVocabularyAreErrors) {
  for (const int64_t id : {int64_t{-1}, plain().vocabulary()}) {
    expect_error<UsageError>([&] { (void)plain().decode(id); }, std::to_string(id));
  }
  EXPECT_EQ(plain().decode(2), "</s>");
  EXPECT_EQ(plain().decode(3), "[PAD]");
}

TEST(SentencePieceTokenizer, AConfigurationOfOtherPiecesIsRefused) {
  auto other = config();
  other.padding = "<pad>";
  expect_error<CheckpointError>([&] { SentencePieceTokenizer(other, 77); }, "spiece.model",
                                "'<pad>'");
}

TEST(SentencePieceTokenizer, ATextEncoderWithFewerTokensIsRefused) {
  TextConfig text;
  text.tokenizer = TokenizerKind::kSentencePiece;
  text.sentence_piece = config();
  text.vocabulary = plain().vocabulary();
  EXPECT_EQ(make_tokenizer(text)->vocabulary(), plain().vocabulary());
  text.vocabulary -= 1;
  expect_error<CheckpointError>([&] { make_tokenizer(text); }, "do not belong together");
}

TEST(SentencePieceWords, StandWhereTheirPiecesDo) {
  const std::string prompt = "a snow a";
  const PromptWords words(prompt, plain().encode(prompt));
  EXPECT_EQ(words.find("a"), (Positions{0, 2}));
  EXPECT_EQ(words.find("snow"), Positions{1});
}

TEST(SentencePieceWords, ReplacementBeginsWithTheFirstPiece) {
  const std::string source = "a snow a", target = "snow a a";
  const auto from = plain().encode(source), to = plain().encode(target);
  const auto replacement = replace_words({source, from}, {target, to});
  ASSERT_EQ(replacement.words.size(), 2U);
  EXPECT_EQ(replacement.words[0].source_positions, Positions{0});
  EXPECT_EQ(replacement.at(0, 0), 1);
  EXPECT_EQ(replacement.at(76, 76), 1);
}

// What libsentencepiece would take on trust.

/// Opens `bytes` as a model and uses it; false if they are refused.
bool opens(const std::string& bytes) {
  try {
    const SentencePieceTokenizer tokenizer(bytes, "spiece.model", config(), 77);
    (void)tokenizer.encode("a photo of \uff26\u2460 \u96ea\u306e\u4e2d\u306e\u732b \xff\x00");
    return true;
  } catch (const CheckpointError&) {
    return false;
  }
}

TEST(SentencePieceFile, CutAtEveryByteIsReadOrRefused) {
  int refused = 0;
  for (std::size_t size = 0; size < model_bytes().size(); ++size) {
    refused += opens(model_bytes().substr(0, size)) ? 0 : 1;
  }
  // Between two pieces the message is whole, only shorter.
  EXPECT_GT(refused, static_cast<int>(model_bytes().size()) / 2);
  EXPECT_TRUE(opens(model_bytes()));
}

TEST(SentencePieceFile, DamagedBytesAreReadOrRefused) {
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    auto bytes = model_bytes();
    for (int k = 0; k < 1 + i % 4; ++k) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    opens(bytes);  // must come back
  }
}

/// A message of one field with bytes in it.
std::string field(int number, std::string_view bytes) {
  std::string message(1, static_cast<char>(number << 3 | 2));
  for (std::size_t size = bytes.size(); message.size() == 1 || size > 0; size >>= 7) {
    message += static_cast<char>((size & 0x7F) | (size >= 0x80 ? 0x80 : 0));
  }
  return message + std::string(bytes);
}

void expect_refused(const std::string& bytes, std::string_view why) {
  expect_error<CheckpointError>(
      [&] { SentencePieceTokenizer(bytes, "spiece.model", config(), 77); }, "spiece.model", why);
}

TEST(SentencePieceFile, WhatIsNoneIsRefused) {
  using namespace std::string_view_literals;
  expect_refused("", "no pieces");
  expect_refused("version https://git-lfs.github.com/spec/v1\n", "no protobuf message");
  expect_refused(field(1, field(1, "")), "piece 0");
  expect_refused(field(1, field(1, "a\0b"sv)), "piece 0");
  expect_refused(field(1, field(1, "\xff")), "piece 0");
  expect_refused(field(1, field(1, std::string(2000, 'x'))), "piece 0");
  expect_refused(field(1, ""), "piece 0 has no text");
  expect_refused(field(1, field(1, "a") + std::string("\x15\x00\x00\xc0\x7f", 5)),
                 "score of piece 0");
  expect_refused(field(1, field(1, "a")), "no SentencePiece model");  // no unknown piece in it
}

TEST(SentencePieceFile, ATableThatLeadsOutsideItselfIsRefused) {
  const auto with_table = [](const std::string& table) {
    return model_bytes() + field(3, field(2, table));
  };
  const std::string size("\x00\x04\x00\x00", 4);  // one block of 256 units
  expect_refused(with_table("x"), "table of characters");
  expect_refused(with_table(std::string("\xff\xff\xff\xff", 4)), "table of characters");
  expect_refused(with_table(size + std::string(1024, '\0')), "table of characters");
  // The root's children lie a million units away.
  expect_refused(with_table(size + std::string("\x00\x00\x00\x40", 4) + std::string(1020, '\0') +
                            std::string("a\0", 2)),
                 "leads outside itself");
  // The same in a root that is marked as a leaf's value: libsentencepiece follows it unread.
  expect_refused(with_table(size + std::string("\x00\x00\x00\xc0", 4) + std::string(1020, '\0') +
                            std::string("a\0", 2)),
                 "leads outside itself");
  expect_refused(with_table(size + std::string(1024, '\0') + std::string(300, 'x') + '\0'),
                 "more than 256 bytes");
}

TEST(SentencePieceFile, AFileThatIsNotThereIsAnInputError) {
  auto absent = config();
  absent.model = "absent/spiece.model";
  expect_error<IoError>([&] { SentencePieceTokenizer(absent, 77); }, "absent/spiece.model");
}

}  // namespace
}  // namespace sd
