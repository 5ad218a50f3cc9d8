#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cli/maps/attn_saved.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/npy.h"
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

/// A folder as the fork leaves it: two samples of 2x3 maps with four tokens; every value of token 1
/// is the one its kind of file has.
class ForkFolder {
 public:
  enum Kind { kFull, kEmpty };

  explicit ForkFolder(Kind kind = kFull) {
    make_writable_folder(path());
    if (kind == kEmpty) return;
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
  EXPECT_EQ(sum_of(folder, choice(1)), 3 * (1 + 1 + 10 + 100));
  EXPECT_EQ(sum_of(folder, choice(1, 0, 0)), 3 * 2);
  EXPECT_EQ(sum_of(folder, choice(0, 1, 1)), 3 * 10);
  EXPECT_EQ(sum_of(folder, choice(1, 0, 2, 1, 1)), 112);
  EXPECT_EQ(sum_of(folder, choice(1, 0, 2, 0, std::nullopt, 0)), 3 * 4 * 0.5F);
}

TEST(SavedMapsSum, SaysWhatThereIsWhenNothingIsChosen) {
  const ForkFolder folder;
  const auto sum = [&](const SavedChoice& chosen) {
    return [&folder, chosen] { sum_saved_maps(list_saved_maps(folder.root()), chosen); };
  };
  expect_error<UsageError>(sum(choice(16)), "resolution 2");
  expect_error<UsageError>(sum(choice(1, 0, 2, 0, 49)), "maps of 3 timesteps");
  expect_error<UsageError>(sum(choice(1, 0, 2, 0, std::nullopt, 4)), "from 0 to 3");
  expect_error<UsageError>(sum(choice(1, 2, 0)), "behind");
}

TEST(SavedMapsSum, RefusesFilesThatAreNotMaps) {
  const auto sum = [](const ForkFolder& folder) {
    return [&folder] { sum_saved_maps(list_saved_maps(folder.root()), choice(1)); };
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
  EXPECT_EQ(sum_of(folder, choice(1, 2)), 100);
}

/// A folder in which every layer has its own value: `middle` for the middle's, the side for others.
void add_layers(ForkFolder& folder, const std::vector<int64_t>& outer, int64_t middle) {
  const auto add = [&](const std::string& name, int64_t side, int64_t value) {
    folder.add(name, static_cast<float>(value), {1, side, side, 4});
  };
  for (const char* time : {"0981", "0501"}) {
    for (const int64_t side : outer) {
      for (const char* part : {"down", "up"}) {
        add(fmt::format("{}_time{}_res{:03}_num001.npy", part, time, side), side, side);
      }
    }
    if (middle > 0) add(fmt::format("middle_time{}_res{:03}.npy", time, middle), middle, 1000);
  }
}

TEST(SavedMapsSum, CountsResolutionsFromTheSmallestAndTheMiddleAsNone) {
  ForkFolder folder(ForkFolder::kEmpty);
  add_layers(folder, {4, 8, 16}, 2);
  EXPECT_EQ(sum_of(folder, choice(0)), 2 * 1000);
  EXPECT_EQ(sum_of(folder, choice(1)), 2 * 2 * 4);
  EXPECT_EQ(sum_of(folder, choice(3)), 2 * 2 * 16);
  EXPECT_EQ(sum_of(folder, choice(8)), 2 * 2 * 8);
  EXPECT_EQ(sum_of(folder, choice(3, 2, 2)), 2 * 16);
  const auto sum = sum_saved_maps(list_saved_maps(folder.root()), choice(2, 0, 0, 0, 0));
  EXPECT_EQ(sum.resolution, 8);
  EXPECT_EQ(sum.last_time, 0);
}

TEST(SavedMapsSum, TheMiddleCountsWhereItHasTheResolutionOfOthers) {
  ForkFolder folder(ForkFolder::kEmpty);
  add_layers(folder, {4, 8}, 4);
  EXPECT_EQ(sum_of(folder, choice(1)), 2 * (4 + 4 + 1000));
  EXPECT_EQ(sum_of(folder, choice(0)), 2 * (4 + 4 + 1000));
  EXPECT_EQ(sum_of(folder, choice(1, 0, 0)), 2 * 4);
}

TEST(SavedMapsSum, AResolutionThatIsNotThereIsNamedByItsCount) {
  ForkFolder folder(ForkFolder::kEmpty);
  add_layers(folder, {4, 8}, 2);
  const auto sum = [&](const SavedChoice& chosen) {
    return [&folder, chosen] { sum_saved_maps(list_saved_maps(folder.root()), chosen); };
  };
  expect_error<UsageError>(sum(choice(3)), "--res 3: down and up have 2 resolution(s)", "4, 8");
  expect_error<UsageError>(sum(choice(1, 1, 1)), "--res 1 (that is 4)", "resolution 2");
  ForkFolder without(ForkFolder::kEmpty);
  add_layers(without, {4, 8}, 0);
  expect_error<UsageError>([&] { sum_saved_maps(list_saved_maps(without.root()), choice(0)); },
                           "no maps of the middle");
}

TEST(SavedMapsSum, CountsTimestepsFromTheLastOneSampled) {
  ForkFolder folder(ForkFolder::kEmpty);
  folder.add("up_time0981_res002_num003.npy", 1);
  folder.add("up_time0501_res002_num003.npy", 10);
  folder.add("up_time0001_res002_num003.npy", 100);
  EXPECT_EQ(sum_of(folder, choice(1, 0, 2, 0, 0)), 100);
  EXPECT_EQ(sum_of(folder, choice(1, 0, 2, 1, 2)), 11);
  EXPECT_EQ(sum_of(folder, choice(1, 0, 2, 2)), 1);
}

TEST(SavedMapsFolder, SamplesOfEarlierBatchesStandBeforeALaterOne) {
  const TempFolder dir;
  EXPECT_EQ(saved_maps_folder("maps", 0), "maps/crossatt");
  EXPECT_EQ(saved_maps_folder("maps", 12), "maps/batch-0012/crossatt");
  for (int64_t batch = 0; batch < 3; ++batch) {
    const auto folder = saved_maps_folder(dir.path(), batch);
    make_writable_folder(folder);
    const int64_t samples = 3 - batch;
    const std::vector<float> values(static_cast<std::size_t>(samples) * 4);
    const int64_t shape[] = {samples, 2, 2, 1};
    write_file(folder / "up_time0001_res002_num003.npy", encode_npy(shape, values));
  }
  EXPECT_EQ(samples_before(dir.path()), 0);
  EXPECT_EQ(samples_before(dir / "batch-0001"), 3);
  EXPECT_EQ(samples_before(dir / "batch-0002/"), 3 + 2);
  EXPECT_EQ(samples_before(dir / "batch-0002/crossatt"), 3 + 2);
  EXPECT_EQ(samples_before(dir / "absent"), 0);
}

}  // namespace
}  // namespace sd::cli
