#include "image/fixtures.h"
#include "sd/image/exif.h"
#include "sd/image/infotext.h"
#include "sd/image/metadata.h"
#include "sd/image/read.h"

namespace sd {
namespace {

using test::load;

class CommentFile : public testing::TestWithParam<const char*> {};

TEST_P(CommentFile, UserCommentIsReadInEveryByteOrder) {
  const std::string name = GetParam();
  const auto comment = read_exif_user_comment(load(name));
  ASSERT_TRUE(comment);
  const bool ascii = name.find("ascii") != std::string::npos;
  const auto info = parse_infotext(*comment);
  EXPECT_EQ(info.prompt,
            ascii ? "a red apple, (ripe:1.2)" : "ein süßer Apfel 🍎 りんご, (ripe:1.2)");
  EXPECT_EQ(info.negative_prompt, "blurry");
  ASSERT_EQ(info.settings.size(), 7u);
  EXPECT_EQ(info.settings.back().second, "v1-5-pruned-emaonly");
  EXPECT_EQ(read_metadata(test::image_path(name)).parameters, comment);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, CommentFile,
                         testing::Values("comment_utf16be.jpg", "comment_utf16le.jpg",
                                         "comment_ascii.jpg", "comment_utf16be.webp",
                                         "comment_utf16le.webp", "comment_ascii.webp"),
                         [](const auto& param) {
                           std::string name = param.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

TEST(ExifUserComment, CutsAreSafe) {
  for (const auto* name : {"comment_utf16be.jpg", "comment_utf16le.webp"}) {
    const auto file = load(name);
    for (std::size_t size = 0; size < file.size(); ++size) {
      const std::vector<std::byte> cut(file.begin(),
                                       file.begin() + static_cast<std::ptrdiff_t>(size));
      const auto comment = read_exif_user_comment(cut);
      EXPECT_TRUE(!comment || *comment == *read_exif_user_comment(file))
          << name << " after " << size;
    }
  }
}

/// A JPEG's first segments around this EXIF block.
std::vector<std::byte> jpeg_with_exif(const std::string& block) {
  const auto size = static_cast<char>(block.size() + 8);
  return test::to_bytes(std::string("\xFF\xD8\xFF\xE1\0", 5) + size + std::string("Exif\0\0", 6) +
                        block + std::string("\xFF\xDA\0\x02", 4));
}

TEST(ExifUserComment, OffsetsBeyondTheBlockAreSafe) {
  const std::string far("\xFF\xFF\xFF\xFF", 4);
  const std::string to_exif("\0\x01\x87\x69\0\x04\0\0\0\x01", 10);  // one entry: the EXIF directory
  const std::string to_comment("\0\x01\x92\x86\0\x07\0\0\0\x10",
                               10);  // one entry: 16 bytes of comment
  const std::string begin("MM\0*\0\0\0\x08", 8);
  const std::vector<std::string> blocks = {
      "MM",
      std::string("MM\0*", 4) + far,
      begin,
      begin + std::string("\xFF\xFF", 2),
      begin + to_exif + far,
      begin + to_exif + std::string("\0\0\0\x08", 4),  // the EXIF directory is the first one again
      begin + to_exif + std::string("\0\0\0\x16", 4) + to_comment + far,
      begin + to_exif + std::string("\0\0\0\x16", 4) + to_comment + std::string("\0\0\0\x16", 4),
  };
  for (const auto& block : blocks) EXPECT_FALSE(read_exif_user_comment(jpeg_with_exif(block)));
}

TEST(ExifUserComment, FilesWithoutOneGiveNothing) {
  for (const auto* name : {"rgb.jpg", "exif_6.jpg", "lossless.webp", "rgb.png"}) {
    EXPECT_FALSE(read_exif_user_comment(load(name))) << name;
  }
  EXPECT_FALSE(read_exif_user_comment({}));
}

TEST(Metadata, PngGivesItsTexts) {
  const auto metadata = read_metadata(test::image_path("texts.png"));
  EXPECT_EQ(metadata.format, "PNG");
  EXPECT_EQ(metadata.width, 4);
  EXPECT_EQ(metadata.height, 4);
  EXPECT_EQ(metadata.texts.size(), 5u);
  ASSERT_TRUE(metadata.parameters);
  EXPECT_EQ(parse_infotext(*metadata.parameters).negative_prompt, "blurry");
}

TEST(Metadata, SizeIsThatOfTheDecodedPicture) {
  for (const auto* name :
       {"rgb.png", "exif_6.png", "exif_3.jpg", "exif_5.jpg", "cmyk.jpg", "lossless.webp",
        "exif_8.webp", "rgb.bmp", "rgb.gif", "rgb.tga", "rgb.ppm", "rgb.psd"}) {
    const auto metadata = parse_metadata(load(name));
    const auto image = decode_image(load(name));
    EXPECT_EQ(metadata.width, image.width) << name;
    EXPECT_EQ(metadata.height, image.height) << name;
    EXPECT_TRUE(metadata.texts.empty()) << name;
    EXPECT_FALSE(metadata.parameters) << name;
  }
}

TEST(Metadata, ErrorsNameThePath) {
  const auto path = std::string(SD_SOURCE_DIR) + "/CMakeLists.txt";
  const auto message = test::io_error([&] { read_metadata(path); });
  EXPECT_TRUE(message.starts_with(path + ": not a picture")) << message;
}

TEST(Metadata, CutHeadersAreErrors) {
  for (const auto* name :
       {"rgb.png", "rgb.jpg", "lossless.webp", "rgb.bmp", "rgb.gif", "rgb.ppm", "rgb.psd"}) {
    const auto file = load(name);
    for (const std::size_t size : {3, 7, 10, 12}) {
      EXPECT_THROW(parse_metadata(std::span(file).first(size)), IoError)
          << name << " after " << size;
    }
  }
}

}  // namespace
}  // namespace sd
