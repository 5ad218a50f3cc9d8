#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "trainer/adapter_fixture.h"
#include "trainer/training_pictures.h"

namespace sd::train {
namespace {

class TrainingPicturesTest : public ::testing::Test {
 protected:
  TrainingPicturesTest() {
    run.say = [](const std::string&) {};
    run.report = [](const TrainPoint&) {};
    run.stop_requested = [this] { return stopped; };
  }
  std::optional<TrainingPictures> encode(int64_t side = 64) {
    return encode_pictures(run, model, read_caption_folder(folder / "data", {}), side,
                           folder / "latents.safetensors");
  }

  test::TempFolder folder;
  RunContext run;
  bool stopped = false;
  FrozenModel model = frozen_tiny_model();
};

TEST(CutSquare, KeepsTheMiddleOfTheLongerSide) {
  Image wide{8, 4, 3, std::vector<uint8_t>(96)};
  for (std::size_t i = 0; i < 32; ++i) {
    for (std::size_t c = 0; c < 3; ++c) wide.pixels[3 * i + c] = static_cast<uint8_t>(10 * (i % 8));
  }
  const auto cut = cut_square(wide, 4);
  ASSERT_EQ(cut.width, 4);
  ASSERT_EQ(cut.height, 4);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(cut.pixels[3 * i], 10 * (2 + i % 4)) << i;
}

TEST(CutSquare, ResizesTheShorterSide) {
  for (const auto& [width, height] : {std::pair{40, 30}, {30, 40}, {33, 33}, {1, 50}}) {
    const auto cut = cut_square(numbered_picture(width, height, 1), 16);
    EXPECT_EQ(cut.width, 16);
    EXPECT_EQ(cut.height, 16);
    EXPECT_EQ(cut.pixels.size(), 768u);
  }
}

TEST_F(TrainingPicturesTest, LatentsAreTheAutoencodersGaussianScaled) {
  write_pictures(folder / "data", 2);
  const auto encoded = encode();
  ASSERT_TRUE(encoded);
  EXPECT_EQ(encoded->mean.sizes(), (std::vector<int64_t>{2, 4, 8, 8}));
  EXPECT_EQ(encoded->captions[1], "a thing, number 1");
  EXPECT_FALSE(encoded->mean[0].equal(encoded->mean[1]));
  EXPECT_GT(encoded->deviation.min().item<double>(), 0);
  EXPECT_FALSE(encoded->mean.is_inference());
}

TEST_F(TrainingPicturesTest, AreEncodedOnceForTheSamePicturesAndSize) {
  write_pictures(folder / "data", 2);
  encode();
  const auto cache = folder / "latents.safetensors";
  const auto written = std::filesystem::last_write_time(cache);
  const auto hash = encode()->hash;
  EXPECT_EQ(std::filesystem::last_write_time(cache), written);
  // Another caption needs no other latents, and is another set of pictures.
  test::write_text(folder / "data/0.txt", "a word");
  EXPECT_NE(encode()->hash, hash);
  EXPECT_EQ(std::filesystem::last_write_time(cache), written);
  EXPECT_EQ(encode(32)->mean.size(3), 4);
  std::filesystem::resize_file(cache, std::filesystem::file_size(cache) / 2);
  EXPECT_EQ(encode(32)->mean.size(3), 4);
}

TEST_F(TrainingPicturesTest, APictureThatCannotBeReadIsNamed) {
  write_pictures(folder / "data", 2);
  test::write_text(folder / "data/1.png", "no picture");
  test::expect_error<IoError>([&] { encode(); }, "1.png");
}

TEST_F(TrainingPicturesTest, StopsBetweenPictures) {
  write_pictures(folder / "data", 2);
  stopped = true;
  EXPECT_FALSE(encode());
  EXPECT_FALSE(std::filesystem::exists(folder / "latents.safetensors"));
}

}  // namespace
}  // namespace sd::train
