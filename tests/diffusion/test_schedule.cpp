#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "sd/core/error.h"
#include "sd/diffusion/schedule.h"

namespace sd {
namespace {

// Reference values are doubles printed from float32 arithmetic of the original: 1e-6 is some ten
// units in the last place.
constexpr double kTolerance = 1e-6;

nlohmann::json reference() {
  std::ifstream file(std::string(SD_TEST_DATA) + "/goldens/schedules.json");
  return nlohmann::json::parse(file);
}

NoiseSchedule v1_schedule() { return NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000); }

TEST(NoiseSchedule, EqualsTheOriginalsAlphas) {
  const auto expected = reference().at("alphas_cumprod").get<std::vector<double>>();
  const auto schedule = v1_schedule();
  ASSERT_EQ(schedule.alphas_cumprod.size(), expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    EXPECT_NEAR(schedule.alphas_cumprod[t], expected[t], kTolerance) << "t = " << t;
  }
}

TEST(UniformSteps, EqualTheOriginalsForEveryNumberOfSteps) {
  const auto schedule = v1_schedule();
  const auto all = reference().at("ddim");
  int compared = 0;
  for (const auto& [name, expected] : all.items()) {
    if (expected.is_null()) continue;  // the original crashes there
    const auto steps = uniform_steps(schedule, std::stoll(name)).steps;
    const auto timesteps = expected.at("timesteps").get<std::vector<int64_t>>();
    ASSERT_EQ(steps.size(), timesteps.size()) << name << " steps";
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto& step = steps[steps.size() - 1 - i];  // the reference counts upwards
      EXPECT_EQ(step.t, timesteps[i]);
      EXPECT_NEAR(step.alpha, expected.at("alphas")[i].get<double>(), kTolerance);
      EXPECT_NEAR(step.alpha_prev, expected.at("alphas_prev")[i].get<double>(), kTolerance);
      EXPECT_NEAR(ddim_sigma(step, 1.0), expected.at("sigmas_eta1")[i].get<double>(), kTolerance);
    }
    ++compared;
  }
  EXPECT_GE(compared, 12);
}

TEST(UniformSteps, ThirtyAndSixtyStepsHaveOneMore) {
  EXPECT_EQ(uniform_steps(v1_schedule(), 30).size(), 31);
  EXPECT_EQ(uniform_steps(v1_schedule(), 60).size(), 63);  // 1000 / 60 is cut to 16
}

TEST(UniformSteps, ATimestepPastTheEndIsTheLastOne) {
  // Stride 333: 1, 334, 667, 1000, of which the original asks alphas_cumprod[1000] and crashes.
  const auto steps = uniform_steps(v1_schedule(), 3).steps;
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_EQ(steps.front().t, 999);
}

TEST(UniformSteps, RejectsImpossibleNumbers) {
  EXPECT_THROW(uniform_steps(v1_schedule(), 0), UsageError);
  EXPECT_THROW(uniform_steps(v1_schedule(), -5), UsageError);
  EXPECT_THROW(uniform_steps(v1_schedule(), 1001), UsageError);
}

TEST(StartMidway, BeginsOneIndexAboveItsFirstStep) {
  const auto full = uniform_steps(v1_schedule(), 10);  // 901, 801, ..., 1
  const auto start = start_midway(full, 7);
  ASSERT_EQ(start.schedule.size(), 7);
  EXPECT_EQ(start.schedule.steps.front().t, 601);
  EXPECT_EQ(start.alpha, v1_schedule().alphas_cumprod[701]);
}

TEST(StartMidway, TheWholeRunBeginsAtItsFirstStep) {
  const auto full = uniform_steps(v1_schedule(), 10);
  EXPECT_EQ(start_midway(full, 10).alpha, v1_schedule().alphas_cumprod[901]);
  EXPECT_EQ(start_midway(full, 10).schedule.size(), 10);
  EXPECT_THROW(start_midway(full, 11), UsageError);
  EXPECT_THROW(start_midway(full, 0), UsageError);
}

TEST(StepsAtStrength, AreCutToWholeSteps) {
  EXPECT_EQ(steps_at_strength(0.75, 50), 37);
  EXPECT_EQ(steps_at_strength(0.0, 50), 0);
  EXPECT_EQ(steps_at_strength(1.0, 50), 50);
  EXPECT_THROW(steps_at_strength(-0.1, 50), UsageError);
  EXPECT_THROW(steps_at_strength(1.1, 50), UsageError);
}

TEST(NoiseSchedule, RejectsImpossibleBetas) {
  EXPECT_THROW(NoiseSchedule::sqrt_linear(0.0, 0.012, 1000), UsageError);
  EXPECT_THROW(NoiseSchedule::sqrt_linear(0.02, 0.01, 1000), UsageError);
  EXPECT_THROW(NoiseSchedule::sqrt_linear(0.001, 0.012, 0), UsageError);
}

}  // namespace
}  // namespace sd
