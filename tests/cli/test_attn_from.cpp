// Drawing saved maps, and finding the pictures that they belong to.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/maps/attn_from.h"
#include "sd/core/error.h"
#include "sd/core/npy.h"
#include "sd/image/label.h"
#include "sd/image/png.h"
#include "sd/image/read.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "support/write_bytes.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempFolder;
using Paths = std::vector<fs::path>;

/// The fork's look.
AttnOptions fork_look() {
  AttnOptions look;
  look.norm = AttnNorm::kFork;
  look.colormap = Colormap::kGrey;
  look.alpha = 0.7;
  return look;
}

Image plain(int64_t width, int64_t height, uint8_t level) {
  return {width, height, 3,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * 3), level)};
}

/// Maps of 2x3, bright only in the right third, where they are 1.
SavedSum wide_sum(int64_t samples) {
  SavedSum sum{samples, 2, 3, 2, 1, std::vector<float>(static_cast<std::size_t>(samples * 6))};
  for (std::size_t i = 2; i < sum.values.size(); i += 3) sum.values[i] = 1;
  return sum;
}

uint8_t level_at(const Image& image, int64_t x, int64_t y) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels)];
}

TEST(FindGrid, FindsThePicturesOfAGrid) {
  const auto grid = make_grid(std::vector<Image>(6, plain(192, 128, 50)), 3);
  const auto layout = find_grid(grid, wide_sum(5));
  ASSERT_EQ(layout.cells.size(), 6u);
  EXPECT_EQ(layout.width, 192);
  EXPECT_EQ(layout.height, 128);
  EXPECT_EQ(layout.cells[4].left, 2 + 194);
  EXPECT_EQ(layout.cells[4].top, 2 + 130);
  expect_error<UsageError>([&] { find_grid(grid, wide_sum(7)); }, "no grid");
}

TEST(FindGrid, FindsPicturesWithCaptions) {
  std::vector<LabelledImage> cells;
  for (int i = 0; i < 4; ++i) cells.push_back({plain(192, 128, 255), fmt::format("snowy={}", i)});
  const auto layout = find_grid(labelled_sheet(cells, 2), wide_sum(4));
  ASSERT_EQ(layout.cells.size(), 4u);
  EXPECT_EQ(layout.width, 192);
  EXPECT_EQ(layout.cells[1].left, 8 + 200);
  EXPECT_EQ(layout.cells[1].top, 8);
  EXPECT_GT(layout.cells[2].top, 8 + 128 + 8);
}

TEST(FindGrid, TakesPicturesWithoutABorder) {
  EXPECT_EQ(find_grid(plain(96, 64, 0), wide_sum(1)).cells.size(), 1u);
  const auto row = find_grid(plain(3 * 96, 64, 0), wide_sum(3));
  ASSERT_EQ(row.cells.size(), 3u);
  EXPECT_EQ(row.cells[2].left, 2 * 96);
  EXPECT_EQ(find_grid(plain(96, 64, 0), wide_sum(3)).cells.size(), 1u);
  expect_error<UsageError>([&] { find_grid(plain(128, 128, 0), wide_sum(1)); }, "no grid");
}

TEST(DrawSaved, LaysThreeTenthsOfPictureUnderSevenOfMap) {
  const auto picture = plain(192, 128, 100);
  const auto drawn = draw_saved(picture, find_grid(picture, wide_sum(1)), wide_sum(1), fork_look());
  EXPECT_EQ(level_at(drawn, 0, 0), 30);          // 0.3 * 100
  EXPECT_NEAR(level_at(drawn, 180, 0), 208, 1);  // 0.3 * 100 + 0.7 * 255; rounded twice
}

TEST(DrawSaved, BrightnessComparesBetweenSamples) {
  SavedSum sum{2, 1, 2, 1, 1, {0, 2, 0, 8}};
  EXPECT_EQ(normalised(sum, fork_look()), (std::vector<float>{0, 0.25F, 0, 1}));
}

/// Maps with values that no two have in common, as the fork saves them: three samples, five tokens,
/// 50 timesteps; sides of 4, 8 and 16 and a middle of 2.
class RandomMaps {
 public:
  static const RandomMaps& instance() {
    static const RandomMaps maps;
    return maps;
  }

  RandomMaps() {
    fs::create_directory(folder_ / "crossatt");
    for (int64_t step = 0; step < kSteps; ++step) {
      for (const auto& [part, side, block] : layers()) {
        const auto number = part == "middle" ? "" : fmt::format("_num{:03}", block);
        const auto name =
            fmt::format("{}_time{:04}_res{:03}{}.npy", part, 1 + 20 * step, side, number);
        auto& values = files_[name];
        for (int64_t i = 0; i < kSamples * side * side * kTokens; ++i) values.push_back(next());
        const int64_t shape[] = {kSamples, side, side, kTokens};
        test::write_bytes(folder_ / "crossatt" / name, encode_npy(shape, values));
      }
    }
  }

  /// What the drawing of `token` should be, 0 to 255 and not yet rounded, sample by sample.
  std::vector<double> expected(const std::vector<std::string>& parts, int64_t first_step,
                               int64_t last_step, int64_t side, std::size_t token) const {
    std::vector<double> sum(static_cast<std::size_t>(kSamples * side * side));
    for (int64_t step = first_step; step <= last_step; ++step) {
      for (const auto& part : parts) {
        const auto prefix = fmt::format("{}_time{:04}_res{:03}", part, 1 + 20 * step, side);
        for (const auto& [name, values] : files_) {
          if (!name.starts_with(prefix)) continue;
          for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i * kTokens + token];
        }
      }
    }
    const double most = *std::max_element(sum.begin(), sum.end());
    for (auto& value : sum) value = value / most * 255;
    return sum;
  }

  static constexpr int64_t kSamples = 3;
  static constexpr int64_t kSteps = 50;
  static constexpr int64_t kTokens = 5;

  const fs::path& path() const { return folder_.path(); }

 private:
  struct Layer {
    std::string part;
    int64_t side;
    int64_t block;
  };
  static std::vector<Layer> layers() {
    return {{"down", 16, 1}, {"down", 8, 4}, {"down", 4, 7}, {"down", 4, 8}, {"middle", 2, 0},
            {"up", 4, 3},    {"up", 4, 4},   {"up", 8, 6},   {"up", 16, 9}};
  }
  float next() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / static_cast<float>(1u << 24);
  }

  TempFolder folder_;
  std::map<std::string, std::vector<float>> files_;
  uint32_t state_ = 7;
};

/// What was said meanwhile.
struct Said {
  std::vector<std::string> lines;
  std::function<void(const std::string&)> say = [this](const std::string& line) {
    lines.push_back(line);
  };
};

TEST(DrawFrom, MapsAreTheSumOfWhatIsChosenDividedByItsMaximum) {
  const auto& maps = RandomMaps::instance();
  const TempFolder out;
  Said said;
  const struct {
    SavedChoice choice;
    std::vector<std::string> parts;
    int64_t side;
    std::string name;
  } cases[] = {
      {{0, 2, 0, 49, 1, 3}, {"down", "up"}, 4, "_tokidx:3_res004_lev:0_2_tstep:0_49.png"},
      {{0, 0, 20, 49, 2, 1}, {"down"}, 8, "_tokidx:1_res008_lev:0_0_tstep:20_49.png"},
      {{2, 2, 7, 7, 16, 4}, {"up"}, 16, "_tokidx:4_res016_lev:2_2_tstep:7_7.png"},
      {{1, 1, 0, 49, 0, 3}, {"middle"}, 2, "_tokidx:3_res002_lev:1_1_tstep:0_49.png"},
  };
  for (const auto& wanted : cases) {
    const auto& choice = wanted.choice;
    const auto drawn =
        draw_from({maps.path(), std::nullopt, choice}, fork_look(), out.path(), said.say);
    ASSERT_EQ(drawn, (Paths{out / ("attmap0" + wanted.name), out / ("attmap1" + wanted.name),
                            out / ("attmap2" + wanted.name)}));
    const auto expected = maps.expected(wanted.parts, choice.first_time, *choice.last_time,
                                        wanted.side, static_cast<std::size_t>(choice.token));
    const auto pixels = static_cast<std::size_t>(wanted.side * wanted.side);
    for (std::size_t sample = 0; sample < drawn.size(); ++sample) {
      const auto image = read_image(drawn[sample]);
      EXPECT_EQ(image.width, wanted.side);
      EXPECT_EQ(image.channels, 1);
      ASSERT_EQ(image.pixels.size(), pixels);
      for (std::size_t i = 0; i < pixels; ++i) {
        // Cut off, not rounded; sums of float32 may fall on either side of a whole number.
        EXPECT_NEAR(image.pixels[i] + 0.5, expected[sample * pixels + i], 0.5 + 1e-3);
      }
    }
  }
  EXPECT_TRUE(said.lines.empty());
}

TEST(DrawFrom, LaysEachSamplesMapOverItsPicture) {
  const auto& maps = RandomMaps::instance();
  const TempFolder out;
  Said said;
  test::write_bytes(out / "grid.png",
                    encode_png(make_grid(std::vector<Image>(3, plain(64, 64, 200)), 3)));
  const SavedChoice choice{0, 2, 0, 49, 1, 3};
  const auto drawn =
      draw_from({maps.path(), out / "grid.png", choice}, fork_look(), out.path(), said.say);
  ASSERT_EQ(drawn.size(), 4u);
  EXPECT_EQ(drawn[3], out / "bundle_attmap_tokidx:3_res004_lev:0_2_tstep:0_49.png");
  const auto bundle = read_image(drawn[3]);
  const auto expected = maps.expected({"down", "up"}, 0, 49, 4, 3);
  for (std::size_t sample = 0; sample < 3; ++sample) {
    const auto left = static_cast<int64_t>(2 + sample * 66);
    // The corner of a map is stretched over the corner of its picture.
    EXPECT_NEAR(level_at(bundle, left, 2), 0.3 * 200 + 0.7 * expected[sample * 16], 1);
    EXPECT_NEAR(level_at(bundle, left + 63, 65), 0.3 * 200 + 0.7 * expected[sample * 16 + 15], 1);
    EXPECT_EQ(level_at(bundle, left - 1, 40), 0);  // the border stays
  }
}

TEST(DrawFrom, OverwritesNothing) {
  const auto& maps = RandomMaps::instance();
  const TempFolder out;
  Said said;
  const AttnFromOptions from{maps.path(), std::nullopt, {1, 1, 0, 0, 0, 1}};
  draw_from(from, fork_look(), out.path(), said.say);
  const auto again = draw_from(from, fork_look(), out.path(), said.say);
  EXPECT_EQ(again.front(), out / "attmap0_tokidx:1_res002_lev:1_1_tstep:0_0-0001.png");
}

TEST(DrawFrom, FindsTheGridThatTheForksLinesMean) {
  const auto& maps = RandomMaps::instance();
  const TempFolder out;
  Said said;
  test::write_bytes(out / "grid-0001.png",
                    encode_png(make_grid(std::vector<Image>(3, plain(64, 64, 9)), 3)));
  AttnFromOptions from{maps.path(), out / "grid_0001.png", {1, 1, 0, 0, 0, 1}};
  EXPECT_EQ(draw_from(from, fork_look(), out.path(), said.say).size(), 4u);
  ASSERT_EQ(said.lines.size(), 1u);
  EXPECT_NE(said.lines[0].find("grid-0001.png is taken"), std::string::npos);
  from.image = out / "grid_0002.png";
  expect_error<IoError>([&] { draw_from(from, fork_look(), out.path(), said.say); },
                        "grid_0002.png");
}

TEST(DrawFrom, OnePictureShowsTheSampleThatItSaysItIs) {
  const auto& maps = RandomMaps::instance();
  const TempFolder out;
  Said said;
  test::write_bytes(out / "one.png", encode_png(plain(64, 64, 0)));
  test::write_bytes(out / "last.png",
                    encode_png(plain(64, 64, 0), {{"sd", R"({"run": {"row": 2}})"}}));
  const SavedChoice choice{1, 1, 0, 0, 0, 1};
  const auto expected = maps.expected({"middle"}, 0, 0, 2, 1);
  for (const auto& [name, sample] : {std::pair{"one.png", 0u}, {"last.png", 2u}}) {
    const auto drawn =
        draw_from({maps.path(), out / name, choice}, fork_look(), out.path(), said.say);
    ASSERT_EQ(drawn.size(), 4u);
    EXPECT_NEAR(level_at(read_image(drawn[3]), 0, 0), 0.7 * expected[sample * 4], 1) << name;
  }
  ASSERT_EQ(said.lines.size(), 1u);  // of the one that says nothing
  EXPECT_NE(said.lines[0].find("the map of the first sample"), std::string::npos);
}

}  // namespace
}  // namespace sd::cli
