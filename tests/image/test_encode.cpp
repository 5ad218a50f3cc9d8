// Pictures as files: pixels against what Pillow's encoders of the same settings give
// (tests/tools/make_image_fixtures.py), EXIF against the bytes that EXIF 2.32 asks for.
#include <cmath>

#include "image/fixtures.h"
#include "sd/core/error.h"
#include "sd/image/encode.h"
#include "sd/image/exif.h"
#include "sd/image/metadata.h"
#include "sd/image/read.h"
#include "sd/image/write.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::load_expected;
using test::to_bytes;

const std::string kInfotext = "ein süßer Apfel 🍎, (ripe:1.2)\nSteps: 50, Sampler: PLMS, Seed: 42";
const std::string kSettings = R"({"prompt":"ein süßer \"Apfel\" 🍎","seed":42,"scale":7.5})";
const std::vector<PngText> kTexts = {{"parameters", kInfotext}, {"sd", kSettings}};
constexpr FileFormat kFormats[] = {FileFormat::kPng, FileFormat::kJpeg, FileFormat::kWebp};

Image decoded(const Image& image, const Encoding& encoding) {
  return decode_image(encode_picture(image, encoding));
}

double mean_error(const Image& a, const Image& b) {
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

TEST(Jpeg, HasThePixelsOfPillowsAtTheSameQuality) {
  const auto colour = load_expected("rgb.png");
  EXPECT_EQ(decoded(colour, {FileFormat::kJpeg, 90}).pixels, load_expected("rgb.jpg").pixels);
  EXPECT_EQ(decoded(colour, {FileFormat::kJpeg, 80}).pixels,
            load_expected("subsampled.jpg").pixels);
}

TEST(Jpeg, OfAGreyPictureIsGrey) {
  const auto grey = load_expected("grey.png");
  const auto read = decoded(grey, {FileFormat::kJpeg, 100});
  EXPECT_EQ(read.channels, 1);
  EXPECT_LT(mean_error(read, grey), 1.0);
}

TEST(Webp, IsLosslessAtQuality100) {
  for (const auto* name : {"rgb.png", "rgba.png"}) {
    const auto image = load_expected(name);
    const auto read = decoded(image, {FileFormat::kWebp, 100});
    EXPECT_EQ(read.channels, image.channels);
    EXPECT_EQ(read.pixels, image.pixels) << name;
  }
}

TEST(Webp, LosesLessAtAHigherQuality) {
  const auto image = load_expected("rgb.png");
  const auto low = decoded(image, {FileFormat::kWebp, 20}),
             high = decoded(image, {FileFormat::kWebp, 90});
  EXPECT_LT(mean_error(high, image), mean_error(low, image));
  EXPECT_LT(mean_error(high, image), 5.0);
  EXPECT_LT(encode_picture(image, {FileFormat::kWebp, 20}).size(),
            encode_picture(image, {FileFormat::kWebp, 90}).size());
}

TEST(Webp, OfAGreyPictureIsGreyInColour) {
  const auto grey = load_expected("grey.png");
  const auto read = decoded(grey, {FileFormat::kWebp, 100});
  ASSERT_EQ(read.channels, 3);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i)
    ASSERT_EQ(read.pixels[3 * i + 1], grey.pixels[i]);
}

TEST(Encode, EveryFormatSaysTheSameOfItself) {
  for (const auto format : kFormats) {
    const auto metadata =
        parse_metadata(encode_picture(load_expected("rgb.png"), {format, 90}, kTexts));
    EXPECT_EQ(metadata.width, 23);
    EXPECT_EQ(metadata.height, 17);
    EXPECT_EQ(metadata.parameters, kInfotext) << file_ending(format);
    std::string settings;
    for (const auto& [keyword, text] : metadata.texts) {
      if (keyword == "sd") settings = text;
    }
    // EXIF's description is ASCII, so that JSON of other characters is escaped there.
    EXPECT_EQ(
        settings,
        format == FileFormat::kPng
            ? kSettings
            : R"({"prompt":"ein s\u00fc\u00dfer \"Apfel\" \ud83c\udf4e","seed":42,"scale":7.5})");
  }
}

TEST(Encode, PixelsDoNotDependOnWhatIsSaid) {
  const auto image = load_expected("rgb.png");
  for (const auto format : kFormats) {
    EXPECT_EQ(decode_image(encode_picture(image, {format, 80}, kTexts)).pixels,
              decode_image(encode_picture(image, {format, 80})).pixels);
  }
}

TEST(Exif, IsABigEndianTiffWithTheCommentInItsExifDirectory) {
  // Read by hand from TIFF 6.0 and EXIF 2.32.
  const std::string header("MM\0*\0\0\0\x08", 8);
  const std::string first(
      "\0\x02"                              // two fields
      "\x01\x0E\0\x02\0\0\0\x0B\0\0\0\x26"  // ImageDescription: 11 bytes at 38
      "\x87\x69\0\x04\0\0\0\x01\0\0\0\x32"  // Exif directory at 50
      "\0\0\0\0",
      30);
  const std::string description("sd:{\"a\":1}\0\0", 12);  // ends evenly
  const std::string second(
      "\0\x01"
      "\x92\x86\0\x07\0\0\0\x0E\0\0\0\x44"  // UserComment: 14 bytes at 68
      "\0\0\0\0",
      18);
  const std::string comment("UNICODE\0\0x\xD8\x3C\xDF\x4E", 14);  // x and U+1F34E
  const auto exif = encode_exif({{"parameters", "x🍎"}, {"sd", "{\"a\": 1}"}});
  EXPECT_EQ(exif, to_bytes(header + first + description + second + comment));
}

TEST(Exif, IsEmptyWhereNothingIsSaid) {
  EXPECT_TRUE(encode_exif({}).empty());
  EXPECT_TRUE(encode_exif({{"comment", "x"}}).empty());
}

TEST(Exif, BrokenTextIsRepairedAndNeverFails) {
  const auto file = encode_picture(load_expected("rgb.png"), {FileFormat::kJpeg, 90},
                                   {{"parameters",
                                     "a\xFF"
                                     "b"},
                                    {"sd", "no {json \xFF"}});
  EXPECT_EQ(parse_metadata(file).parameters,
            "a\xEF\xBF\xBD"
            "b");
}

TEST(Exif, AForeignDescriptionIsGivenUnderItsName) {
  // One field, ImageDescription of two characters within the entry.
  const std::string block("MM\0*\0\0\0\x08\0\x01\x01\x0E\0\x02\0\0\0\x03Hi\0\0\0\0\0\0", 26);
  const auto jpeg = encode_picture(load_expected("rgb.png"), {FileFormat::kJpeg, 90});
  std::string file(reinterpret_cast<const char*>(jpeg.data()), jpeg.size());
  const auto size = static_cast<char>(block.size() + 8);
  file.insert(2, std::string("\xFF\xE1\0", 3) + size + std::string("Exif\0\0", 6) + block);
  const auto metadata = parse_metadata(to_bytes(file));
  ASSERT_EQ(metadata.texts.size(), 1u);
  EXPECT_EQ(metadata.texts[0].keyword, "ImageDescription");
  EXPECT_EQ(metadata.texts[0].text, "Hi");
}

TEST(Exif, CutsOfWhatIsWrittenAreSafe) {
  const auto file = encode_picture(load_expected("rgb.png"), {FileFormat::kJpeg, 90}, kTexts);
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto comment = read_exif_user_comment(std::span(file).first(size));
    EXPECT_TRUE(!comment || *comment == kInfotext) << size;
  }
}

TEST(Encode, LeavesOutWhatAJpegHasNoRoomFor) {
  const std::string infotext(20'000, 'x');  // 40 kB of UTF-16
  const std::string settings = "\"" + std::string(40'000, 'y') + "\"";
  EXPECT_EQ(texts_that_fit(FileFormat::kJpeg, {{"parameters", infotext}, {"sd", "{}"}}).size(), 2u);
  const auto without =
      texts_that_fit(FileFormat::kJpeg, {{"parameters", infotext}, {"sd", settings}});
  ASSERT_EQ(without.size(), 1u);
  EXPECT_EQ(without[0].keyword, "parameters");
  EXPECT_TRUE(texts_that_fit(FileFormat::kJpeg, {{"parameters", infotext + infotext}}).empty());
  for (const auto format : {FileFormat::kPng, FileFormat::kWebp}) {
    const auto all =
        texts_that_fit(format, {{"parameters", infotext + infotext}, {"sd", settings}});
    EXPECT_EQ(all.size(), 2u);
    const auto metadata =
        parse_metadata(encode_picture(load_expected("rgb.png"), {format, 90}, all));
    EXPECT_EQ(metadata.parameters, infotext + infotext);
  }
  // The most that a segment takes, to the byte.
  std::string longest;
  while (encode_exif({{"parameters", longest}}).size() + 2 <= most_exif_bytes(FileFormat::kJpeg)) {
    longest += std::string(longest.size() < 32'000 ? 1000 : 1, 'z');
  }
  const auto jpeg =
      encode_picture(load_expected("rgb.png"), {FileFormat::kJpeg, 90}, {{"parameters", longest}});
  EXPECT_EQ(parse_metadata(jpeg).parameters, longest);
}

TEST(Encode, RefusesWhatAFormatCannotHold) {
  const auto image = load_expected("rgb.png");
  const auto refuses = [](const Image& picture, const Encoding& encoding) {
    EXPECT_THROW(encode_picture(picture, encoding), UsageError);
  };
  refuses(load_expected("rgba.png"), {FileFormat::kJpeg, 90});
  refuses(image, {FileFormat::kJpeg, 0});
  refuses(image, {FileFormat::kWebp, 101});
  refuses({16'384, 1, 1, std::vector<uint8_t>(16'384)}, {FileFormat::kWebp, 90});
  refuses({65'501, 1, 1, std::vector<uint8_t>(65'501)}, {FileFormat::kJpeg, 90});
  refuses({2, 2, 3, std::vector<uint8_t>(5)}, {FileFormat::kJpeg, 90});
  EXPECT_FALSE(encode_picture({16'383, 1, 1, std::vector<uint8_t>(16'383)}, {FileFormat::kWebp, 90})
                   .empty());
}

TEST(WritePicture, TheNamesEndingSaysTheFormat) {
  const test::TempFolder folder;
  const auto image = load_expected("rgb.png");
  for (const std::string name : {"a.png", "a.jpg", "a.jpeg", "a.webp"}) {
    write_picture(folder / name, image);
    EXPECT_EQ(read_image(folder / name).width, image.width) << name;
  }
  EXPECT_EQ(read_image(folder / "a.png").pixels, image.pixels);
  EXPECT_EQ(test::read_text(folder / "a.jpg").substr(0, 3), "\xFF\xD8\xFF");
  EXPECT_EQ(test::read_text(folder / "a.webp").substr(0, 4), "RIFF");
}

TEST(WritePicture, AnotherEndingIsRefusedAndNothingWritten) {
  const test::TempFolder folder;
  EXPECT_THROW(write_picture(folder / "a.gif", load_expected("rgb.png")), UsageError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace sd
