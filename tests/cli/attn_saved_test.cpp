#include "cli/attn_saved.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cli/attn_from.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/npy.h"
#include "sd/image/png.h"
#include "sd/image/read.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using test::expect_error;
using test::TempFolder;
using test::write_text;

SavedChoice choice(int64_t resolution, int64_t first_level = 0, int64_t last_level = 2,
                   int64_t first_time = 0, std::optional<int64_t> last_time = std::nullopt,
                   int64_t token = 1) {
  return {first_level, last_level, first_time, last_time, resolution, token};
}

/// The fork's look.
AttnOptions fork_look() {
  AttnOptions look;
  look.norm = AttnNorm::kFork;
  look.colormap = Colormap::kGrey;
  look.alpha = 0.7;
  return look;
}

/// A folder as the fork leaves it: two samples of 2x3 maps with four tokens; every value of token 1
/// is the one its kind of file has.
class ForkFolder {
 public:
  ForkFolder() {
    make_writable_folder(path());
    for (const char* time : {"0981", "0501", "0001"}) {
      for (const char* block : {"001", "002"}) {
        add(std::string("down_time") + time + "_res002_num" + block + ".npy", 1);
      }
      add(std::string("middle_time") + time + "_res002.npy", 10);
      add(std::string("up_time") + time + "_res002_num003.npy", 100);
    }
  }

  void add(const std::string& name, float value, std::vector<int64_t> shape = {2, 2, 3, 4}) {
    int64_t count = 1;
    for (const int64_t side : shape) count *= side;
    std::vector<float> values(static_cast<std::size_t>(count), 0.5F);
    for (std::size_t i = 1; i < values.size(); i += 4) values[i] = value;
    write_file(path() / name, encode_npy(shape, values), /*overwrite=*/true);
  }
  std::filesystem::path root() const { return folder_.path(); }
  std::filesystem::path path() const { return folder_ / "crossatt"; }

 private:
  TempFolder folder_;
};

float sum_of(const ForkFolder& folder, const SavedChoice& chosen) {
  const auto sum = sum_saved_maps(list_saved_maps(folder.root()), chosen);
  for (const float value : sum.values) EXPECT_EQ(value, sum.values[0]);
  return sum.values[0];
}

TEST(SavedNames, AreTheForks) {
  const auto down = parse_saved_name("a/down_time0981_res016_num001.npy");
  ASSERT_TRUE(down);
  EXPECT_EQ(down->part, "down");
  EXPECT_EQ(down->time, 981);
  EXPECT_EQ(down->resolution, 16);
  EXPECT_EQ(parse_saved_name("middle_time0001_res008.npy")->part, "middle");
  for (const char* other : {"down_time0981_res016.npy", "middle_time0001_res008_num001.npy",
                            "up_time1_res016_num001.npy", "up_time0001_res016_num001.npy.tmp",
                            "left_time0001_res016_num001.npy", "down", "",
                            "down_time99999999999999999999_res016_num001.npy"}) {
    EXPECT_FALSE(parse_saved_name(other)) << other;
  }
}

TEST(SavedMapsSum, CountsAllBlocksOfALevelAndEveryTimestep) {
  const ForkFolder folder;
  EXPECT_EQ(sum_of(folder, choice(2)), 3 * (1 + 1 + 10 + 100));
  EXPECT_EQ(sum_of(folder, choice(2, 0, 0)), 3 * 2);
  EXPECT_EQ(sum_of(folder, choice(0, 1, 1)), 3 * 10);
  EXPECT_EQ(sum_of(folder, choice(2, 0, 2, 1, 1)), 112);
  EXPECT_EQ(sum_of(folder, choice(2, 0, 2, 0, std::nullopt, 0)), 3 * 4 * 0.5F);
}

TEST(SavedMapsSum, SaysWhatThereIsWhenNothingIsChosen) {
  const ForkFolder folder;
  const auto sum = [&](const SavedChoice& chosen) {
    return [&folder, chosen] { sum_saved_maps(list_saved_maps(folder.root()), chosen); };
  };
  expect_error<UsageError>(sum(choice(16)), "resolution 2");
  expect_error<UsageError>(sum(choice(2, 0, 2, 0, 49)), "maps of 3 timesteps");
  expect_error<UsageError>(sum(choice(2, 0, 2, 0, std::nullopt, 4)), "from 0 to 3");
  expect_error<UsageError>(sum(choice(2, 2, 0)), "behind");
}

TEST(SavedMapsSum, RefusesFilesThatAreNotMaps) {
  const auto sum = [](const ForkFolder& folder) {
    return [&folder] { sum_saved_maps(list_saved_maps(folder.root()), choice(2)); };
  };
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{2, 3, 4}, {2, 4, 3, 4}, {1, 2, 3, 4}, {2, 2, 3, 5}, {2, 0, 3, 4}}) {
    ForkFolder folder;
    folder.add("up_time0501_res002_num003.npy", 1, shape);
    expect_error<IoError>(sum(folder), "up_time0501_res002_num003.npy: expected");
  }
  const ForkFolder broken;
  write_text(broken.path() / "up_time0501_res002_num003.npy", "\x93NUMPY hostile");
  expect_error<IoError>(sum(broken), "up_time0501_res002_num003.npy");
  const TempFolder empty;
  expect_error<IoError>([&] { list_saved_maps(empty.path()); }, "has no maps");
  expect_error<IoError>([&] { list_saved_maps(empty / "absent"); }, "does not exist");
}

TEST(SavedMapsSum, ValuesThatAreNotFiniteCountAsNothing) {
  ForkFolder folder;
  folder.add("up_time0501_res002_num003.npy", std::numeric_limits<float>::infinity());
  folder.add("up_time0001_res002_num003.npy", std::nanf(""));
  EXPECT_EQ(sum_of(folder, choice(2, 2)), 100);
}

Image plain(int64_t width, int64_t height, uint8_t level) {
  return {width, height, 3,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * 3), level)};
}

SavedSum wide_sum(int64_t samples) {
  // Bright only in the right half.
  SavedSum sum{samples, 2, 3, 2, 1, std::vector<float>(static_cast<std::size_t>(samples * 6))};
  for (std::size_t i = 2; i < sum.values.size(); i += 3) sum.values[i] = 4;
  return sum;
}

TEST(DrawSaved, FindsThePicturesOfAGrid) {
  const std::vector<Image> cells(6, plain(192, 128, 50));
  const auto grid = make_grid(cells, 3);
  const auto layout = find_grid(grid, wide_sum(5));
  EXPECT_EQ(layout.columns, 3);
  EXPECT_EQ(layout.width, 192);
  EXPECT_EQ(layout.height, 128);
  EXPECT_EQ(find_grid(plain(96, 64, 0), wide_sum(1)).border, 0);
  expect_error<UsageError>([&] { find_grid(plain(128, 128, 0), wide_sum(1)); }, "no grid");
  expect_error<UsageError>([&] { find_grid(grid, wide_sum(7)); }, "no grid");
}

TEST(DrawSaved, LaysThreeTenthsOfPictureUnderSevenOfMap) {
  const auto look = fork_look();
  const auto drawn = draw_saved(plain(192, 128, 100), wide_sum(1), look);
  const auto pixel = [&](int64_t x) { return drawn.pixels[static_cast<std::size_t>(x * 3)]; };
  EXPECT_EQ(pixel(0), 30);          // 0.3 * 100
  EXPECT_NEAR(pixel(180), 208, 1);  // 0.3 * 100 + 0.7 * 255; rounded twice
}

TEST(DrawFrom, WritesAPictureBesideEarlierOnes) {
  const ForkFolder maps;
  const TempFolder out;
  write_file(out / "grid.png", encode_png(make_grid({plain(192, 128, 9), plain(192, 128, 9)}, 2)));
  const AttnFromOptions from{maps.root(), out / "grid.png", choice(2)};
  const auto look = fork_look();
  EXPECT_EQ(draw_from(from, look, out.path()), out / "token001_res002-0000.png");
  EXPECT_EQ(draw_from(from, look, out.path()), out / "token001_res002-0001.png");
  EXPECT_EQ(read_image(out / "token001_res002-0000.png").width, 2 + 2 * 194);
}

}  // namespace
}  // namespace sd::cli
