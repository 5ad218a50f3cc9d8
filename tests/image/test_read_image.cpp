#include <algorithm>
#include <cstdlib>

#include "image/fixtures.h"
#include "sd/image/read.h"

namespace sd {
namespace {

using test::big_endian;
using test::io_error;
using test::load;
using test::to_bytes;

int largest_difference(const Image& a, const Image& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  }
  return largest;
}

class PillowPicture : public testing::TestWithParam<std::string> {};

TEST_P(PillowPicture, DecodesToTheSamePixels) {
  const auto expected = test::load_expected(GetParam());
  const auto decoded = read_image(test::image_path(GetParam()));
  ASSERT_EQ(decoded.width, expected.width);
  ASSERT_EQ(decoded.height, expected.height);
  ASSERT_EQ(decoded.channels, expected.channels);
  ASSERT_EQ(decoded.pixels.size(), expected.pixels.size());
  EXPECT_EQ(largest_difference(decoded, expected), 0);
}

TEST_P(PillowPicture, EveryCutIsAnError) {
  const auto file = load(GetParam());
  std::size_t needed = file.size();
  // What may be missing without loss of a pixel: TGA's footer (26 bytes), GIF's last byte.
  if (GetParam().ends_with(".tga")) needed -= 26;
  if (GetParam().ends_with(".gif")) needed -= 1;
  for (std::size_t size = 0; size < needed; ++size) {
    // A copy of just that size, so that a read past its end is one past the end of a heap block.
    const std::vector<std::byte> cut(file.begin(),
                                     file.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(decode_image(cut), IoError) << "after " << size << " of " << file.size();
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, PillowPicture,
                         testing::Values("rgb.png", "rgba.png", "grey.png", "grey_alpha.png",
                                         "one_bit.png", "palette.png", "palette_transparent.png",
                                         "exif_6.png", "one_pixel.png", "interlaced.png",
                                         "deep.png", "rgb.jpg", "subsampled.jpg", "progressive.jpg",
                                         "grey.jpg", "cmyk.jpg", "exif_1.jpg", "exif_2.jpg",
                                         "exif_3.jpg", "exif_4.jpg", "exif_5.jpg", "exif_6.jpg",
                                         "exif_7.jpg", "exif_8.jpg", "lossless.webp", "lossy.webp",
                                         "alpha.webp", "exif_8.webp", "animated.webp", "rgb.bmp",
                                         "rgb.gif", "rgb.tga", "compressed.tga", "rgb.ppm",
                                         "grey.pgm", "deep.ppm", "rgb.psd"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(ReadImage, ErrorsNamePathAndFormat) {
  auto file = load("rgb.jpg");
  file.resize(file.size() / 2);
  const std::string path = testing::TempDir() + "sd_cut.jpg";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  const auto message = io_error([&] { read_image(path); });
  std::remove(path.c_str());
  EXPECT_TRUE(message.starts_with(path + ": JPEG is cut short")) << message;
}

TEST(ReadImage, AMissingFileIsAnError) {
  const std::string path = test::image_path("no_such_file.png");
  EXPECT_NE(io_error([&] { read_image(path); }).find(path), std::string::npos);
}

/// Headers of pictures of `width` x `height` pixels, without any.
std::string little_endian(uint32_t value) {
  auto bytes = big_endian(value);
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

std::string jpeg_header(uint32_t width, uint32_t height) {
  const auto sides = big_endian(height).substr(2) + big_endian(width).substr(2);
  return std::string("\xFF\xD8\xFF\xC0\0\x11\x08", 7) + sides +
         std::string("\x03\x01\x11\0\x02\x11\0\x03\x11\0", 10) +
         std::string("\xFF\xDA\0\x0C\x03\x01\0\x02\0\x03\0\0\x3F\0", 14);
}

std::string bmp_header(uint32_t width, uint32_t height) {
  return "BM" + little_endian(54) + std::string(4, '\0') + little_endian(54) + little_endian(40) +
         little_endian(width) + little_endian(height) + std::string("\x01\0\x18\0", 4) +
         std::string(24, '\0');
}

TEST(ReadImage, TooManyPixelsAreRefusedByTheHeader) {
  const std::vector<std::string> files = {
      test::png_start(20000, 20001) + test::png_chunk("IDAT", "x"),
      test::png_start(0x7FFFFFFF, 0x7FFFFFFF) + test::png_chunk("IDAT", "x"),
      jpeg_header(65000, 65000),
      bmp_header(20000, 20001),
      std::string("GIF89a\xFF\xFF\xFF\xFF\0\0\0", 13),
      std::string("\0\0\x02\0\0\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\x18\0", 18),  // TGA
      "P6 20000 20001 255\n",
      "P6 2147483647 2147483647 65535\n",
      "8BPS" + std::string("\0\x01\0\0\0\0\0\0\0\x03", 10) + big_endian(20000) + big_endian(20001) +
          std::string("\0\x08\0\x03", 4),
  };
  for (const auto& file : files) {
    const auto message = io_error([&] { decode_image(to_bytes(file)); });
    EXPECT_NE(message.find("is too large: "), std::string::npos) << message;
  }
}

TEST(ReadImage, TheLargestSizeIsNotRefusedByTheHeader) {
  const auto message = io_error([] { decode_image(to_bytes("P6 20000 20000 255\n")); });
  EXPECT_NE(message.find("cut short"), std::string::npos) << message;
}

TEST(ReadImage, SidesOfZeroAreRefused) {
  EXPECT_THROW(decode_image(to_bytes(test::png_start(0, 1) + test::png_chunk("IDAT", "x"))),
               IoError);
  EXPECT_THROW(decode_image(to_bytes("P5 0 1 255\n")), IoError);
}

TEST(ReadImage, WhatIsNoPictureIsNamed) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"", "an empty file"},
      {"<!DOCTYPE html>\n<html><head>", "an HTML page"},
      {"\n  <HTML lang=en>", "an HTML page"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:", "a Git LFS pointer"},
      {"BMW is a car maker\n", "text that begins 'BMW is a car maker'"},
      {"<svg xmlns=", "an SVG drawing"},
      {"PK\x03\x04 rest", "a zip archive"},
      {std::string("II*\0\x08", 5), "a TIFF picture"},
      {std::string("\0\0\0\x1C", 4) + "ftypavif", "an AVIF picture"},
      {std::string("\x01\x02\x03\x04", 4), "its first bytes are 01 02 03 04"},
      {"RIFF", "text that begins 'RIFF'"},
  };
  for (const auto& [content, meaning] : files) {
    const auto message = io_error([&] { decode_image(to_bytes(content)); });
    EXPECT_NE(message.find("not a picture"), std::string::npos) << message;
    EXPECT_NE(message.find(meaning), std::string::npos) << message;
  }
}

TEST(ReadImage, ADamagedPngIsAnError) {
  auto file = load("interlaced.png");
  file[file.size() / 2] ^= std::byte{0x55};
  EXPECT_NE(io_error([&] { decode_image(file); }).find("PNG is damaged"), std::string::npos);
}

TEST(ReadImage, ABombInATextChunkDoesNotStopThePicture) {
  const auto bomb = test::png_chunk(
      "zTXt", std::string("k\0\0", 3) + test::deflated(std::string(std::size_t{64} << 20, 'a')));
  auto file = load("rgb.png");
  const auto inserted = to_bytes(bomb);
  file.insert(file.begin() + 33, inserted.begin(), inserted.end());  // behind IHDR
  EXPECT_EQ(decode_image(file).pixels, test::load_expected("rgb.png").pixels);
}

TEST(ReadImage, PnmInDigits) {
  const auto colours =
      decode_image(to_bytes("P3\n# two pixels\n2 1\n15\n15 0 0\n0 # dark\n5 15\n"));
  EXPECT_EQ(colours.channels, 3);
  EXPECT_EQ(colours.pixels, (std::vector<uint8_t>{255, 0, 0, 0, 85, 255}));
  const auto greys = decode_image(to_bytes("P2 3 1 65535 0 65535 32768"));
  EXPECT_EQ(greys.channels, 1);
  EXPECT_EQ(greys.pixels, (std::vector<uint8_t>{0, 255, 128}));
}

TEST(ReadImage, PnmBitmapsAreBlackWhereTheyAreOne) {
  const std::vector<uint8_t> expected = {255, 0, 0, 255, 255, 0};
  EXPECT_EQ(decode_image(to_bytes("P1 3 2 0 1 1 0 0 1")).pixels, expected);
  EXPECT_EQ(decode_image(to_bytes("P1 3 2\n011\n001\n")).pixels, expected);
  EXPECT_EQ(decode_image(to_bytes("P4 3 2\n\x60\x20")).pixels, expected);
}

TEST(ReadImage, RowsOfAPnmBitmapBeginAtWholeBytes) {
  const auto image = decode_image(to_bytes(std::string("P4 9 2\n\x80\x80\x00\x80", 11)));
  ASSERT_EQ(image.pixels.size(), 18u);
  EXPECT_EQ(image.pixels[0], 0);
  EXPECT_EQ(image.pixels[8], 0);
  EXPECT_EQ(image.pixels[9], 255);
  EXPECT_EQ(image.pixels[17], 0);
}

TEST(ReadImage, DamagedPnmInDigitsIsAnError) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"P3 2 1 255 1 2 3 4 5", "cut short"},
      {"P2 2 1 255 1", "cut short"},
      {"P2 2 1 255 1 x", "expected a number at byte 13"},
      {"P2 2 1 255 10 -3", "expected a number"},
      {"P1 2 1 1 2", "expected 0 or 1 at byte 9"},
      {"P1 2 2 1 0 1   ", "cut short"},
      {"P3 10000 10000 255 1", "cut short"},
      {std::string("P4 9 2\n\x80\x80\x00", 10), "cut short"},
      {"P2 2 1 70000 1 1", "largest value is 70000"},
  };
  for (const auto& [content, meaning] : files) {
    const auto message = io_error([&] { decode_image(to_bytes(content)); });
    EXPECT_NE(message.find(meaning), std::string::npos) << content << ": " << message;
  }
}

TEST(ReadImage, SamplesAbovePnmsLargestValueAreWhite) {
  const auto image = decode_image(to_bytes("P5 2 1 15\n\x0F\x7F"));
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{255, 255}));
}

}  // namespace
}  // namespace sd
