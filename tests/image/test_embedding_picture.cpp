// Embeddings in PNGs, as AUTOMATIC1111's web UI writes them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "image/fixtures.h"
#include "sd/core/error.h"
#include "sd/image/embedding_picture.h"
#include "sd/image/png.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::expect_error;

const std::string kJson =
    R"({"string_to_token": {"*": 265}, "string_to_param": {"*": {"TORCHTENSOR": )"
    R"([[0.5, -1.25, 2], [3, 4, 5e-1]]}}, "name": "ink", "step": 700, "sd_checkpoint": "cc6cb27103", )"
    R"("sd_checkpoint_name": "v1-5"})";
const std::vector<float> kValues = {0.5F, -1.25F, 2, 3, 4, 0.5F};

std::string base64(const std::string& bytes) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += digits[bits >> (count - 6) & 63];
  }
  if (count > 0) text += digits[bits << (6 - count) & 63];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

Image grey(int64_t width, int64_t height) {
  return {width, height, 3,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * 3), 0x7f)};
}

std::vector<std::byte> with_chunk(const std::string& text) {
  return encode_png(grey(4, 4), {{"sd-ti-embedding", text}});
}

/// The web UI's columns: the nibbles of `packed`, repeated until they fill a block of this height,
/// mixed with its generator's numbers, under bits that look like something.
Image block_of(const std::string& packed, bool high, int64_t height) {
  const auto line = static_cast<std::size_t>(height * 3);
  const auto size = (packed.size() / line + 1) * line;
  Image block{static_cast<int64_t>(size / line), height, 3, {}};
  uint32_t state = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(packed[i % packed.size()]);
    state = 1664525 * state + 1013904223;
    const unsigned nibble = (high ? byte >> 4 : byte & 15) ^ ((state % 255) & 15);
    block.pixels.push_back(static_cast<uint8_t>(0xa0 | nibble));
  }
  return block;
}

void paste(const Image& part, int64_t left, Image& picture) {
  for (int64_t y = 0; y < part.height; ++y) {
    for (int64_t i = 0; i < part.width * 3; ++i) {
      picture.pixels[static_cast<std::size_t>((y * picture.width + left) * 3 + i)] =
          part.pixels[static_cast<std::size_t>(y * part.width * 3 + i)];
    }
  }
}

std::vector<std::byte> with_columns(const std::string& json) {
  constexpr int64_t kHeight = 16;
  const auto packed = test::deflated(json);
  const auto low = block_of(packed, false, kHeight), high = block_of(packed, true, kHeight);
  const auto inner = grey(20, kHeight);
  const int64_t width = low.width + inner.width + high.width + 2;
  Image picture{width, kHeight, 3,
                std::vector<uint8_t>(static_cast<std::size_t>(width * kHeight * 3))};
  paste(low, 0, picture);
  paste(inner, low.width + 1, picture);
  paste(high, low.width + 1 + inner.width + 1, picture);
  return encode_png(picture);
}

TEST(EmbeddingPicture, ReadsTheTextChunk) {
  const auto read = embedding_of_picture(with_chunk(base64(kJson)), "ink.png");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->values, kValues);
  EXPECT_EQ(read->vectors, 2);
  EXPECT_EQ(read->width, 3);
  EXPECT_EQ(read->name, "ink");
  EXPECT_EQ(read->step, 700);
  EXPECT_EQ(read->trained_on, "v1-5");
}

TEST(EmbeddingPicture, ReadsTheLowerBitsOfColumnsBesideThePicture) {
  const auto read = embedding_of_picture(with_columns(kJson), "ink.png");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->values, kValues);
  EXPECT_EQ(read->name, "ink");
}

TEST(EmbeddingPicture, APictureWithoutOneHasNone) {
  EXPECT_FALSE(embedding_of_picture(encode_png(grey(8, 8)), "x.png"));
  EXPECT_FALSE(
      embedding_of_picture(encode_png({2, 2, 3, std::vector<uint8_t>(12)}), "x.png"));  // all black
}

TEST(EmbeddingPicture, DamagedOnesAreRefused) {
  const auto refused = [](const std::string& text, std::string_view part) {
    expect_error<CheckpointError>([&] { embedding_of_picture(with_chunk(text), "ink.png"); },
                                  "ink.png", part);
  };
  refused("*&%", "no base64");
  refused(base64("[1]"), "no JSON object");
  refused(base64("{}"), "string_to_param");
  refused(base64(R"({"string_to_param": {"*": {"TORCHTENSOR": [[1, 2], [3]]}}})"),
          "unequal length");
  refused(base64(R"({"string_to_param": {"*": {"TORCHTENSOR": [[1, "a"]]}}})"), "no number");
  refused(base64(R"({"string_to_param": {"*": {"TORCHTENSOR": [[1, 1e60]]}}})"), "infinite");
  refused(base64(R"({"string_to_param": {"*": {"TORCHTENSOR": []}}})"), "found [0]");
}

}  // namespace
}  // namespace sd
