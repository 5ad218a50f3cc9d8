#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include "sd/core/error.h"
#include "sd/core/npy.h"
#include "sd/core/philox.h"

namespace sd {
namespace {

struct Draws {
  const char* file;
  uint64_t seed;
};

class CudaRandn : public ::testing::TestWithParam<Draws> {};

TEST_P(CudaRandn, FirstAndSecondDrawEqualTheDevices) {
  const auto expected = read_npy(std::filesystem::path(SD_TEST_DATA) / "core" /
                                 (std::string(GetParam().file) + ".npy"));
  const int64_t count = expected.shape.at(1);
  CudaPhilox philox(GetParam().seed);
  for (int64_t draw = 0; draw < 2; ++draw) {
    const auto values = philox.randn(count);
    ASSERT_EQ(static_cast<int64_t>(values.size()), count);
    float worst = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<std::size_t>(i);
      worst = std::max(
          worst,
          std::abs(values[index] - expected.values[static_cast<std::size_t>(draw * count + i)]));
    }
    // Logarithm, sine and cosine differ between libraries in the last bits of float32, values
    // reach 5.
    EXPECT_LT(worst, 1e-6) << "draw " << draw;
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, CudaRandn,
                         ::testing::Values(Draws{"cuda_randn_seed0_n12", 0},
                                           Draws{"cuda_randn_seed123456789012_n4096", 123456789012},
                                           Draws{"cuda_randn_seed42_n49152", 42}),
                         [](const auto& tested) { return std::string(tested.param.file); });

TEST(CudaPhilox, NumbersDependOnTheirPlaceNotOnTheSizeOfTheDraw) {
  const auto few = CudaPhilox(42).randn(16384);
  const auto many = CudaPhilox(42).randn(49152);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
}

TEST(CudaPhilox, SuccessiveDrawsContinueTheStream) {
  CudaPhilox philox(7);
  EXPECT_NE(philox.randn(16), philox.randn(16));
}

TEST(CudaPhilox, ADrawAboveTheGridTakesTheNextNumbersOfEachThread) {
  constexpr std::size_t kThreads = 221184;  // 108 multiprocessors of 2048 threads
  const auto values = CudaPhilox(1).randn(5 * kThreads);
  const auto one_a_thread = CudaPhilox(1).randn(kThreads);
  EXPECT_TRUE(std::equal(one_a_thread.begin(), one_a_thread.end(), values.begin()));

  // A thread's fifth number is the first of its second group of four: what a second small draw
  // begins with.
  CudaPhilox again(1);
  again.randn(kThreads);
  const auto second_draw = again.randn(kThreads);
  EXPECT_TRUE(std::equal(second_draw.begin(), second_draw.end(), values.begin() + 4 * kThreads));

  // Box-Muller gives sine and cosine of one radius, so the second number of a thread differs from
  // its first.
  EXPECT_FALSE(std::equal(one_a_thread.begin(), one_a_thread.end(), values.begin() + kThreads));
}

TEST(CudaPhilox, ManyNumbersAreStandardNormal) {
  const auto values = CudaPhilox(3).randn(1000000);
  double sum = 0;
  double squares = 0;
  for (const float value : values) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  // Five standard errors of the mean (1e-3) and of the variance (1.4e-3) of a million numbers.
  EXPECT_NEAR(sum / 1e6, 0, 5e-3);
  EXPECT_NEAR(squares / 1e6, 1, 7e-3);
}

TEST(CudaPhilox, NoNumbersLeaveTheStreamWhereItIs) {
  CudaPhilox philox(5);
  EXPECT_TRUE(philox.randn(0).empty());
  EXPECT_EQ(philox.randn(4), CudaPhilox(5).randn(4));
}

TEST(CudaPhilox, NegativeCountIsAnError) { EXPECT_THROW(CudaPhilox(0).randn(-1), Error); }

}  // namespace
}  // namespace sd
