// Names of drawings, and putting them beside each other.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/maps/attn_compose.h"
#include "cli/maps/attn_drawings.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/png.h"
#include "sd/image/read.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempFolder;
using test::write_text;

constexpr int64_t kHeight = 20;  // of a bundle

Image grey(int64_t width, int64_t height, int64_t level) {
  return {
      width, height, 1,
      std::vector<uint8_t>(static_cast<std::size_t>(width * height), static_cast<uint8_t>(level))};
}

/// Levels that tell drawings apart: the column, the row and the sample (9: a bundle).
int64_t level_of(int64_t column, int64_t row, int64_t sample) {
  return 10 + column * 60 + row * 15 + sample;
}

/// What the fork's visualize_all.sh leaves of `samples` samples: the middle, and at three
/// resolutions down, down to up, up.
class DrawnFolder {
 public:
  explicit DrawnFolder(int64_t samples = 3, int64_t token = 3) : samples_(samples) {
    add({{}, token, 8, 1, 1, 0, 49}, 0, 0);
    int64_t column = 0;
    for (const int64_t side : {16, 32, 64}) {
      add({{}, token, side, 0, 0, 0, 49}, column, 1);
      add({{}, token, side, 0, 2, 0, 49}, column, 2);
      add({{}, token, side, 2, 2, 0, 49}, column, 3);
      ++column;
    }
  }

  void add(DrawingName name, int64_t column, int64_t row) const {
    for (int64_t sample = 0; sample < samples_; ++sample) {
      name.sample = sample;
      write_drawing(folder_.path(), drawing_stem(name),
                    grey(name.resolution, name.resolution, level_of(column, row, sample)));
    }
    name.sample.reset();
    write_drawing(folder_.path(), drawing_stem(name),
                  grey(3 * kHeight, kHeight, level_of(column, row, 9)));
  }

  const fs::path& path() const { return folder_.path(); }
  std::vector<fs::path> compose(const ComposeChoice& choice = {}) const {
    return compose_drawings(path(), choice, path());
  }

 private:
  TempFolder folder_;
  int64_t samples_;
};

int64_t level_at(const Image& image, int64_t x, int64_t y) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels)];
}

TEST(DrawingNames, AreTheForks) {
  EXPECT_EQ(drawing_stem({0, 3, 16, 0, 2, 0, 49}), "attmap0_tokidx:3_res016_lev:0_2_tstep:0_49");
  EXPECT_EQ(drawing_stem({{}, 12, 128, 1, 1, 20, 49}),
            "bundle_attmap_tokidx:12_res128_lev:1_1_tstep:20_49");
}

TEST(DrawingNames, AreReadBack) {
  for (const DrawingName& name :
       {DrawingName{2, 3, 16, 0, 2, 0, 49}, DrawingName{{}, 5, 8, 1, 1, 3, 7}}) {
    const auto drawing = parse_drawing("a/" + drawing_stem(name) + ".png");
    ASSERT_TRUE(drawing);
    EXPECT_EQ(drawing->name, name);
    EXPECT_EQ(drawing->copy, 0);
    EXPECT_EQ(parse_drawing(drawing_stem(name) + "-0012.png")->copy, 12);
  }
  for (const char* other :
       {"last_bundle_imgs_idx:3.png", "attmap_tokidx:3_res016_lev:0_2_tstep:0_49.png",
        "attmap0_tokidx:3_res016_lev:0_2_tstep:0_49.png.tmp",
        "attmap0_tokidx:3_res016_lev:0_2_tstep:0_49-.png", "attmap0_tokidx:3_res016_lev:0_2.png",
        "attmap0_tokidx:99999999999999999999_res016_lev:0_2_tstep:0_49.png", ".png", ""}) {
    EXPECT_FALSE(parse_drawing(other)) << other;
  }
}

TEST(ListDrawings, TakesTheNewestOfAName) {
  const TempFolder folder;
  const std::string stem = "attmap0_tokidx:3_res016_lev:0_2_tstep:0_49";
  for (const char* suffix : {"", "-0001", "-0010", "-0002"}) {
    write_text(folder / (stem + suffix + ".png"), "x");
  }
  write_text(folder / "notes.txt", "x");
  const auto drawings = list_drawings(folder.path());
  ASSERT_EQ(drawings.size(), 1u);
  EXPECT_EQ(drawings[0].path, folder / (stem + "-0010.png"));
  EXPECT_TRUE(list_drawings(folder / "absent").empty());
}

TEST(Compose, PutsTheMiddleAboveAColumnForEachResolution) {
  const DrawnFolder folder;
  const auto written = folder.compose();
  ASSERT_EQ(written, (std::vector<fs::path>{folder.path() / "last_bundle_imgs_idx:3.png",
                                            folder.path() / "last_bundle_attnmaps_idx:3.png"}));
  for (const auto& path : written) {
    const auto sheet = read_image(path);
    const bool bundles = path == written[0];
    ASSERT_EQ(sheet.width, 3 * 3 * kHeight);
    ASSERT_EQ(sheet.height, 4 * kHeight);
    for (int64_t row = 0; row < 4; ++row) {
      for (int64_t column = 0; column < 3; ++column) {
        for (int64_t sample = 0; sample < 3; ++sample) {
          const int64_t x = (column * 3 + sample) * kHeight + kHeight / 2;
          const bool white = row == 0 && column > 0;
          EXPECT_EQ(level_at(sheet, x, row * kHeight + 10),
                    white ? 255 : level_of(column, row, bundles ? 9 : sample))
              << path << row << column << sample;
        }
      }
    }
  }
}

TEST(Compose, TakesAnyNumberOfSamplesAndWhatThereIs) {
  const DrawnFolder folder(2);
  fs::remove(folder.path() / "attmap1_tokidx:3_res032_lev:0_2_tstep:0_49.png");
  const auto sheet = read_image(folder.compose().back());
  EXPECT_EQ(sheet.width, 3 * 2 * kHeight);
  EXPECT_EQ(level_at(sheet, (1 * 2 + 1) * kHeight + 5, 2 * kHeight + 5), 255);
  EXPECT_EQ(level_at(sheet, (1 * 2 + 0) * kHeight + 5, 2 * kHeight + 5), level_of(1, 2, 0));
}

TEST(Compose, NeedsNoPicturesUnderTheMaps) {
  const DrawnFolder folder;
  for (const auto& drawing : list_drawings(folder.path())) {
    if (!drawing.name.sample) fs::remove(drawing.path);
  }
  EXPECT_EQ(folder.compose(),
            std::vector<fs::path>{folder.path() / "last_bundle_attnmaps_idx:3.png"});
}

TEST(Compose, ChoosesATokenAndAStretchOfTimesteps) {
  const DrawnFolder folder;
  folder.add({{}, 5, 16, 0, 0, 0, 49}, 0, 0);
  expect_error<UsageError>([&] { folder.compose(); }, "tokens 3, 5", "--token_idx");
  expect_error<UsageError>([&] { folder.compose({.token = 4}); }, "--token_idx 4", "3, 5");
  EXPECT_EQ(read_image(folder.compose({.token = 5}).back()).height, kHeight);
  folder.add({{}, 3, 16, 0, 0, 20, 49}, 0, 0);
  expect_error<UsageError>([&] { folder.compose({.token = 3}); }, "0 to 49, 20 to 49", "--stime");
  const auto late = folder.compose({.token = 3, .first_time = 20});
  EXPECT_EQ(read_image(late.back()).width, 3 * kHeight);
  expect_error<UsageError>([&] { folder.compose({.token = 3, .last_time = 48}); }, "0 to 49");
}

TEST(Compose, CountsThatTheForkWasToldAreChecked) {
  const DrawnFolder folder;
  const ComposeChoice right{
      .token = 3, .samples = 3, .resolutions = 4, .level_ranges = 3, .maps = 10};
  EXPECT_EQ(folder.compose(right).size(), 2u);
  auto wrong = right;
  wrong.samples = 4;
  expect_error<UsageError>([&] { folder.compose(wrong); }, "--num_sample 4", "3 samples");
  wrong = right;
  wrong.maps = 9;
  expect_error<UsageError>([&] { folder.compose(wrong); }, "--num_att_maps 9", "of 10");
}

TEST(Compose, AFolderWithoutDrawingsIsNamed) {
  const TempFolder folder;
  expect_error<IoError>([&] { compose_drawings(folder.path(), {}, folder.path()); },
                        folder.path().string(), "attmap0_tokidx:3");
}

}  // namespace
}  // namespace sd::cli
