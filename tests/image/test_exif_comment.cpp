// UserComments as programs write them, in every kind of file that has EXIF.
#include <array>
#include <string>
#include <vector>

#include "image/fixtures.h"
#include "image/unicode.h"
#include "sd/image/exif.h"
#include "sd/image/metadata.h"

namespace sd {
namespace {

using namespace std::string_literals;

const std::string kText = "ein Haus, 猫, café\nSteps: 20, Seed: 5, Size: 8x8";

/// An EXIF block with this UserComment.
std::string exif_with(const std::string& comment) {
  const auto entry = [](const std::string& tag, char type, uint32_t count, uint32_t value) {
    return "\0\1"s + tag + '\0' + type + test::big_endian(count) + test::big_endian(value) +
           "\0\0\0\0"s;
  };
  return "MM\0*\0\0\0\x08"s + entry("\x87\x69", 4, 1, 26) +
         entry("\x92\x86", 7, static_cast<uint32_t>(comment.size()), 44) + comment;
}

/// A JPEG's first segments around an EXIF block.
std::vector<std::byte> jpeg_with(const std::string& exif) {
  const auto size = exif.size() + 8;
  return test::to_bytes("\xFF\xD8\xFF\xE1"s + static_cast<char>(size >> 8) +
                        static_cast<char>(size) + "Exif\0\0"s + exif +
                        "\xFF\xC0\0\x0B\x08\0\x04\0\x04\x01\x01\x11\0"s + "\xFF\xDA\0\x02"s);
}

std::vector<std::byte> png_with(const std::string& exif) {
  return test::to_bytes(test::png_start(4, 4) + test::png_chunk("eXIf", exif) +
                        test::png_chunk("IEND", ""));
}

std::string utf16(const std::string& text, bool big_endian) {
  std::string units;
  for (const auto& [code, end] : decode_text(text)) {
    const char high = static_cast<char>(code >> 8), low = static_cast<char>(code);
    units += big_endian ? std::string{high, low} : std::string{low, high};
  }
  return units;
}

struct Form {
  const char* name;
  std::string comment;
};

class CommentForm : public testing::TestWithParam<Form> {};

TEST_P(CommentForm, IsReadAsTheTextItIs) {
  const auto exif = exif_with(GetParam().comment);
  EXPECT_EQ(read_exif_user_comment(jpeg_with(exif)), kText);
  EXPECT_EQ(read_exif_user_comment(png_with("Exif\0\0"s + exif)), kText);
  EXPECT_EQ(parse_metadata(png_with(exif)).parameters, kText);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, CommentForm,
    testing::Values(Form{"Utf16Big", "UNICODE\0"s + utf16(kText, true)},
                    Form{"Utf16Little", "UNICODE\0"s + utf16(kText, false)},
                    Form{"Utf16BigMarked", "UNICODE\0\xFE\xFF"s + utf16(kText, true)},
                    Form{"Utf16LittleMarked", "UNICODE\0\xFF\xFE"s + utf16(kText, false) + "\0\0"s},
                    Form{"UnicodeIsUtf8", "UNICODE\0"s + kText},
                    Form{"UnicodeIsUtf8Marked", "UNICODE\0\xEF\xBB\xBF"s + kText + "\0"s},
                    Form{"LowerCase", "unicode\0"s + kText}, Form{"Ascii", "ASCII\0\0\0"s + kText},
                    Form{"AsciiIsUtf16", "ASCII\0\0\0"s + utf16(kText, false)},
                    Form{"AsciiPaddedWithBlanks", "ASCII   " + kText},
                    Form{"Undefined", "\0\0\0\0\0\0\0\0"s + kText + std::string(90, '\0')},
                    Form{"NoCode", kText}, Form{"NoCodeUtf16", "\xFF\xFE"s + utf16(kText, false)},
                    Form{"JisIsUtf8", "JIS\0\0\0\0\0"s + kText}),
    [](const auto& form) { return std::string(form.param.name); });

TEST(ExifUserComment, JisIsJapaneseMail) {
  const auto comment =
      read_exif_user_comment(jpeg_with(exif_with("JIS\0\0\0\0\0\x1B$BG-\x1B(B, a cat"s)));
  EXPECT_EQ(comment, "猫, a cat");
}

TEST(ExifUserComment, BytesOfNoUtf8AreLatin1) {
  EXPECT_EQ(read_exif_user_comment(jpeg_with(exif_with("UNICODE\0caf\xE9, a cat on a hill"s))),
            "café, a cat on a hill");
}

TEST(Metadata, ATextOfAPngGoesBeforeItsComment) {
  const auto file =
      test::to_bytes(test::png_start(4, 4) + test::png_chunk("eXIf", exif_with(kText)) +
                     test::png_chunk("tEXt", "parameters\0a cat"s) + test::png_chunk("IEND", ""));
  EXPECT_EQ(parse_metadata(file).parameters, "a cat");
}

TEST(Metadata, GraphsOfTheMakersFieldsAreChunks) {
  const std::string make = "Prompt:{\"1\": 2}", model = "workflow:{}";
  const auto entry = [](char tag, uint32_t count, uint32_t value) {
    return "\1"s + tag + "\0\2"s + test::big_endian(count) + test::big_endian(value);
  };
  const auto exif =
      "MM\0*\0\0\0\x08\0\2"s + entry(0x0F, static_cast<uint32_t>(make.size()), 38) +
      entry(0x10, static_cast<uint32_t>(model.size()), 38 + static_cast<uint32_t>(make.size())) +
      "\0\0\0\0"s + make + model;
  const auto texts = parse_metadata(jpeg_with(exif)).texts;
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0].keyword, "prompt");
  EXPECT_EQ(texts[0].text, "{\"1\": 2}");
  EXPECT_EQ(texts[1].keyword, "workflow");
}

}  // namespace
}  // namespace sd
