#include <algorithm>

#include "image/fixtures.h"
#include "sd/image/png.h"
#include "sd/image/read.h"

namespace sd {
namespace {

using test::deflated;
using test::io_error;
using test::png_chunk;
using test::png_start;
using test::to_bytes;

Image gradient(int64_t width, int64_t height, int64_t channels) {
  Image image{width, height, channels, {}};
  for (int64_t i = 0; i < width * height * channels; ++i) {
    image.pixels.push_back(static_cast<uint8_t>(i * 7 + i / 50));
  }
  return image;
}

std::string as_text(const std::vector<std::byte>& file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

std::string text_after_round_trip(const std::string& text) {
  const auto texts = read_png_texts(encode_png(gradient(2, 2, 3), {{"parameters", text}}));
  EXPECT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts.front().keyword, "parameters");
  return texts.front().text;
}

/// A PNG whose only chunk between header and end is this one.
std::vector<std::byte> png_with(const std::string& type, const std::string& body) {
  return to_bytes(png_start(1, 1) + png_chunk(type, body) + png_chunk("IEND", ""));
}

TEST(PngEncode, PixelsComeBackInEveryChannelCount) {
  for (const int64_t channels : {1, 3, 4}) {
    const auto image = gradient(31, 19, channels);
    const auto decoded = decode_image(encode_png(image));
    EXPECT_EQ(decoded.width, 31);
    EXPECT_EQ(decoded.height, 19);
    EXPECT_EQ(decoded.channels, channels);
    EXPECT_EQ(decoded.pixels, image.pixels);
  }
}

TEST(PngEncode, OnePixelWorks) {
  const auto image = gradient(1, 1, 3);
  EXPECT_EQ(decode_image(encode_png(image)).pixels, image.pixels);
}

TEST(PngEncode, SameInputGivesSameBytes) {
  const auto image = gradient(31, 19, 3);
  EXPECT_EQ(encode_png(image, {{"parameters", "x"}}), encode_png(image, {{"parameters", "x"}}));
}

TEST(PngEncode, Latin1IsWrittenAsTEXt) {
  const auto file = as_text(encode_png(gradient(2, 2, 3), {{"parameters", "süß"}}));
  EXPECT_NE(file.find(std::string("tEXtparameters\0s\xFC\xDF", 18)), std::string::npos);
  EXPECT_EQ(file.find("iTXt"), std::string::npos);
}

TEST(PngEncode, OtherTextIsWrittenAsITXt) {
  const auto file = as_text(encode_png(gradient(2, 2, 3), {{"parameters", "🍎"}}));
  EXPECT_NE(file.find("iTXtparameters" + std::string(5, '\0') + "🍎"), std::string::npos);
  EXPECT_EQ(file.find("tEXt"), std::string::npos);
}

TEST(PngEncode, TextsStandBeforeThePixels) {
  const auto file = as_text(encode_png(gradient(2, 2, 3), {{"a", "x"}, {"b", "🍎"}}));
  EXPECT_LT(file.find("tEXt"), file.find("IDAT"));
  EXPECT_LT(file.find("iTXt"), file.find("IDAT"));
}

TEST(PngEncode, TextsOfAllScriptsComeBack) {
  for (const std::string text :
       {"", "plain", "two\nlines", "süß ÿ", "€ and “quotes”", "りんご", "🍎👩‍🚀"}) {
    EXPECT_EQ(text_after_round_trip(text), text);
  }
}

TEST(PngEncode, InvalidUtf8AndNulBecomeReplacementCharacters) {
  EXPECT_EQ(text_after_round_trip("a\xFF"
                                  "b"),
            "a\uFFFDb");
  EXPECT_EQ(text_after_round_trip(std::string("a\0b", 3)), "a\uFFFDb");
  EXPECT_EQ(text_after_round_trip("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(text_after_round_trip("\xC0\x80"), "\uFFFD\uFFFD");            // overlong
}

TEST(PngEncode, KeywordsThatPngForbidsAreRefused) {
  for (const std::string keyword : {"", " a", "a ", "a  b", "ä", "a\nb"}) {
    EXPECT_THROW(encode_png(gradient(1, 1, 3), {{keyword, "x"}}), UsageError) << keyword;
  }
  EXPECT_THROW(encode_png(gradient(1, 1, 3), {{std::string(80, 'k'), "x"}}), UsageError);
  EXPECT_NO_THROW(encode_png(gradient(1, 1, 3), {{std::string(79, 'k'), "x"}}));
}

TEST(PngEncode, PicturesThatContradictThemselvesAreRefused) {
  EXPECT_THROW(encode_png({2, 2, 3, std::vector<uint8_t>(11)}), UsageError);
  EXPECT_THROW(encode_png({2, 2, 2, std::vector<uint8_t>(8)}), UsageError);
  EXPECT_THROW(encode_png({0, 2, 3, {}}), UsageError);
}

TEST(PngTexts, EveryKindThatPillowWritesIsRead) {
  const auto texts = read_png_texts(test::load("texts.png"));
  ASSERT_EQ(texts.size(), 5u);
  const auto find = [&](const std::string& keyword) {
    return std::find_if(texts.begin(), texts.end(), [&](auto& t) { return t.keyword == keyword; })
        ->text;
  };
  EXPECT_EQ(find("latin"), "süß");
  EXPECT_TRUE(find("parameters")
                  .starts_with("a red apple, (ripe:1.2)\nNegative prompt: blurry\nSteps: 50,"));
  EXPECT_EQ(find("compressed").size(), 4 * find("parameters").size());
  EXPECT_TRUE(find("unicode").starts_with("ein süßer Apfel 🍎 りんご, (ripe:1.2)\n"));
  EXPECT_EQ(find("unicode_compressed").size(), 4 * find("unicode").size());
}

TEST(PngTexts, TextsBehindThePixelsAreRead) {
  const auto file = to_bytes(png_start(1, 1) + png_chunk("IDAT", "any") +
                             png_chunk("tEXt", std::string("k\0late", 6)) + png_chunk("IEND", ""));
  ASSERT_EQ(read_png_texts(file).size(), 1u);
  EXPECT_EQ(read_png_texts(file).front().text, "late");
}

TEST(PngTexts, ADecompressionBombIsRefused) {
  const auto bomb = std::string("k\0\0", 3) + deflated(std::string(std::size_t{64} << 20, 'a'));
  EXPECT_LT(bomb.size(), 100'000u);
  EXPECT_NE(io_error([&] { read_png_texts(png_with("zTXt", bomb)); }).find("exceed 16777216 bytes"),
            std::string::npos);
}

TEST(PngTexts, TheLimitHoldsForAllTextsTogether) {
  const auto part =
      png_chunk("zTXt", std::string("k\0\0", 3) + deflated(std::string(std::size_t{5} << 20, 'a')));
  const auto file = [&](int parts) {
    std::string text = png_start(1, 1);
    for (int i = 0; i < parts; ++i) text += part;
    return to_bytes(text + png_chunk("IEND", ""));
  };
  EXPECT_EQ(read_png_texts(file(3)).size(), 3u);
  EXPECT_THROW(read_png_texts(file(4)), IoError);
}

TEST(PngTexts, DamageIsAnErrorThatNamesTheChunk) {
  const std::string nul(1, '\0');
  const std::vector<std::pair<std::string, std::string>> damaged = {
      {"tEXt", "no end of the keyword"},
      {"tEXt", nul + "no keyword"},
      {"tEXt", std::string(80, 'k') + nul + "text"},
      {"zTXt", "k" + nul},                     // no method
      {"zTXt", "k" + nul + "\x01" + "text"},   // unknown method
      {"zTXt", "k" + nul + nul + "not zlib"},  //
      {"zTXt", "k" + nul + nul + deflated("some text").substr(0, 6)},
      {"iTXt", "k" + nul + nul},               // no method
      {"iTXt", "k" + nul + nul + nul + "de"},  // the language does not end
      {"iTXt", "k" + nul + "\x01" + "\x02" + nul + nul + "text"},
  };
  for (const auto& [type, body] : damaged) {
    const auto message = io_error([&] { read_png_texts(png_with(type, body)); });
    EXPECT_NE(message.find("PNG " + type + " chunk at byte 33"), std::string::npos) << message;
  }
}

TEST(PngTexts, AWrongCheckSumIsAnError) {
  auto file = test::load("texts.png");
  file[50] ^= std::byte{1};  // in the first text chunk
  EXPECT_NE(io_error([&] { read_png_texts(file); }).find("check sum"), std::string::npos);
}

TEST(PngTexts, EveryCutIsAnError) {
  const auto file = test::load("texts.png");
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_THROW(read_png_texts(std::span(file).first(size)), IoError) << size;
  }
}

TEST(PngTexts, AChunkLengthBeyondTheFileIsAnError) {
  auto file =
      to_bytes(png_start(1, 1) + png_chunk("tEXt", std::string("k\0v", 3)) + png_chunk("IEND", ""));
  std::fill_n(file.begin() + 33, 4, std::byte{0xFF});
  EXPECT_NE(io_error([&] { read_png_texts(file); }).find("cut short"), std::string::npos);
}

TEST(PngTexts, OtherFilesAreRefused) {
  EXPECT_THROW(read_png_texts(test::load("rgb.jpg")), IoError);
  EXPECT_THROW(read_png_texts({}), IoError);
}

TEST(PngTexts, Utf8InALatin1ChunkIsUtf8) {
  const std::string nul(1, '\0');
  const auto file =
      test::to_bytes(test::png_start(1, 1) + test::png_chunk("tEXt", "a" + nul + "猫 café") +
                     test::png_chunk("tEXt", "b" + nul + "caf\xE9") + test::png_chunk("IEND", ""));
  const auto texts = read_png_texts(file);
  EXPECT_EQ(texts.at(0).text, "猫 café");
  EXPECT_EQ(texts.at(1).text, "café");
}

TEST(PngTexts, Latin1ThatLooksLikeUtf8IsReadBack) {
  for (const std::string text : {"Ã©", "é", "plain", "Ã"}) {
    EXPECT_EQ(read_png_texts(encode_png({1, 1, 1, {0}}, {{"a", text}})).at(0).text, text);
  }
}

}  // namespace
}  // namespace sd
