#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "trainer/recipe.h"

namespace sd::train {
namespace {

using test::expect_error;
using test::TempFolder;
using test::write_text;

TEST(Recipe, TheShippedOneIsRead) {
  const auto recipe = read_recipe(SD_SOURCE_DIR "/configs/demo/recipe.yaml");
  EXPECT_EQ(recipe.model.image_size, 16);
  EXPECT_EQ(recipe.model.text.feed_forward, 4 * recipe.model.text.width);
  EXPECT_GT(recipe.unet.pictures, 1'000'000);
  EXPECT_EQ(recipe.sheet_prompts.size(), 16u);
}

TEST(Recipe, AnUnknownKeyIsNamedWithItsLine) {
  const TempFolder folder;
  std::filesystem::copy(SD_SOURCE_DIR "/configs/demo/model.yaml", folder / "model.yaml");
  write_text(folder / "recipe.yaml", "seed: 1\nunet:\n  bach: 64\n");
  expect_error<UsageError>([&] { read_recipe(folder / "recipe.yaml"); }, "recipe.yaml:3",
                           "unet.bach");
}

TEST(Recipe, AMissingFileIsAnInputError) {
  expect_error<IoError>([] { read_recipe("no-such-recipe.yaml"); }, "no-such-recipe.yaml");
}

TEST(LearningRate, WarmsUpStaysAndGoesDown) {
  LearningRate rate;
  rate.peak = 1;
  rate.warmup_steps = 10;
  rate.decay_from = 0.5;
  rate.final_share = 0.1;
  EXPECT_NEAR(rate.at(0, 0), 0.1, 1e-12);
  EXPECT_NEAR(rate.at(0.3, 1000), 1, 1e-12);
  EXPECT_NEAR(rate.at(0.75, 1000), 0.55, 1e-12);
  EXPECT_NEAR(rate.at(1, 1000), 0.1, 1e-12);
}

}  // namespace
}  // namespace sd::train
