#include <gtest/gtest.h>

#include <cmath>

#include "diffusion/known_denoisers.h"
#include "sd/core/error.h"
#include "support/golden.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::sd_v1_table;

// References are float32.
constexpr double kRounding = 1e-6;

torch::Tensor floats(const std::vector<double>& values) {
  return torch::tensor(values).to(torch::kFloat);
}

TEST(SigmaTable, HoldsTheNoiseLevelsOfStableDiffusion) {
  const auto expected = Golden("goldens/ksamplers.safetensors")["sigmas_train"];
  std::vector<double> found;
  for (int64_t t = 0; t < 1000; ++t) found.push_back(sd_v1_table().sigma(static_cast<double>(t)));
  EXPECT_LT(relative_difference(floats(found), expected), kRounding);
}

TEST(SigmaTable, TimestepsAndNoiseLevelsAreInverse) {
  for (const double t : {0.0, 0.25, 17.0, 500.5, 998.75, 999.0}) {
    EXPECT_NEAR(sd_v1_table().timestep(sd_v1_table().sigma(t)), t, 1e-9);
  }
  EXPECT_EQ(sd_v1_table().timestep(0.001), 0);
  EXPECT_EQ(sd_v1_table().timestep(100), 999);
}

TEST(SigmaTable, AlphaIsTheSchedulesAndGoesOnBetween) {
  const auto schedule = NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000);
  EXPECT_EQ(sd_v1_table().alpha(981), schedule.alphas_cumprod[981]);
  const double between = sd_v1_table().alpha(981.5);
  EXPECT_LT(between, schedule.alphas_cumprod[981]);
  EXPECT_GT(between, schedule.alphas_cumprod[982]);
}

TEST(SigmaSteps, EqualTheReferences) {
  const Golden ksamplers("goldens/ksamplers.safetensors"), golden("goldens/samplers.safetensors");
  for (const auto kind :
       {SchedulerKind::kDiscrete, SchedulerKind::kKarras, SchedulerKind::kExponential}) {
    const auto expected = ksamplers["sigmas_" + std::string(name_of(kind))];
    EXPECT_LT(relative_difference(floats(sigma_steps(kind, sd_v1_table(), 10)), expected),
              kRounding)
        << name_of(kind);
  }
  for (const auto kind :
       {SchedulerKind::kSgmUniform, SchedulerKind::kSimple, SchedulerKind::kBeta}) {
    for (const int64_t steps : {1, 7, 30}) {
      const auto expected = golden[std::string(name_of(kind)) + "_" + std::to_string(steps)];
      EXPECT_LT(relative_difference(floats(sigma_steps(kind, sd_v1_table(), steps)), expected),
                kRounding)
          << name_of(kind) << " " << steps;
    }
  }
}

TEST(SigmaSteps, FallToZeroWhateverTheirNumber) {
  for (const auto& name : scheduler_names()) {
    for (const int64_t steps : {1, 2, 50, 999, 1000}) {
      const auto sigmas = sigma_steps(*find_scheduler(name), sd_v1_table(), steps);
      ASSERT_EQ(sigmas.size(), static_cast<std::size_t>(steps + 1)) << name;
      for (std::size_t i = 1; i < sigmas.size(); ++i) {
        EXPECT_LT(sigmas[i], sigmas[i - 1]) << name << " " << steps;
      }
      EXPECT_EQ(sigmas.back(), 0) << name;
    }
  }
}

TEST(SigmaSteps, ThePenultimateCanBeLeftOut) {
  const auto all = sigma_steps(SchedulerKind::kKarras, sd_v1_table(), 11);
  const auto found = sigma_steps_without_penultimate(SchedulerKind::kKarras, sd_v1_table(), 10);
  ASSERT_EQ(found.size(), 11u);
  EXPECT_EQ(found[9], all[9]);
  EXPECT_EQ(found[10], 0);
}

TEST(SigmaSteps, WithoutThePenultimateThereAreAsManyAsWithIt) {
  for (const auto& name : scheduler_names()) {
    const auto kind = *find_scheduler(name);
    const auto sigmas = sigma_steps_without_penultimate(kind, sd_v1_table(), 1000);
    ASSERT_EQ(sigmas.size(), 1001U) << name;
    for (std::size_t i = 1; i < sigmas.size(); ++i)
      ASSERT_LT(sigmas[i], sigmas[i - 1]) << name << i;
    EXPECT_THROW(sigma_steps_without_penultimate(kind, sd_v1_table(), 1001), UsageError) << name;
    EXPECT_THROW(sigma_steps_without_penultimate(kind, sd_v1_table(), 0), UsageError) << name;
  }
}

TEST(SigmaSteps, RefusesNumbersOutsideTheSchedule) {
  EXPECT_THROW(sigma_steps(SchedulerKind::kKarras, sd_v1_table(), 0), UsageError);
  EXPECT_THROW(sigma_steps(SchedulerKind::kSimple, sd_v1_table(), 1001), UsageError);
  EXPECT_THROW(sigma_steps(SchedulerKind::kLcm, sd_v1_table(), 51), UsageError);
  EXPECT_THROW(sigma_steps(SchedulerKind::kUniform, sd_v1_table(), 5), UsageError);
}

TEST(SamplerTable, KnowsTheNamesOfOtherPrograms) {
  const auto expect = [](const char* text, SamplerKind kind,
                         std::optional<SchedulerKind> scheduler = std::nullopt) {
    const auto found = find_sampler(text);
    ASSERT_TRUE(found) << text;
    EXPECT_EQ(found->kind, kind) << text;
    EXPECT_EQ(found->scheduler, scheduler) << text;
  };
  for (const auto& info : all_samplers()) {
    expect(std::string(info.name).c_str(), info.kind);
    expect(std::string(info.label).c_str(), info.kind);
  }
  expect("DPM++ 2M Karras", SamplerKind::kDpmpp2m, SchedulerKind::kKarras);
  expect("DPM++ 2M SDE Exponential", SamplerKind::kDpmpp2mSde, SchedulerKind::kExponential);
  expect("k_euler_a", SamplerKind::kEulerAncestral);
  expect("k_dpm_2_ancestral", SamplerKind::kDpm2Ancestral);
  expect("k_dpmpp_2m_ka", SamplerKind::kDpmpp2m, SchedulerKind::kKarras);
  expect("dpmpp_2m_sde", SamplerKind::kDpmpp2mSde);
  expect("sample_dpmpp_3m_sde", SamplerKind::kDpmpp3mSde);
  expect("euler-ancestral", SamplerKind::kEulerAncestral);
  expect("uni_pc_bh2", SamplerKind::kUniPc);
  expect("dpmpp_2m_sde_gpu", SamplerKind::kDpmpp2mSde);
  expect("EulerAncestralDiscreteScheduler", SamplerKind::kEulerAncestral);
  expect("DPMSolverMultistepScheduler", SamplerKind::kDpmpp2m);
  expect("KDPM2", SamplerKind::kDpm2);
  EXPECT_FALSE(find_sampler("dpm adaptive"));
  EXPECT_FALSE(find_sampler(""));
  EXPECT_FALSE(find_sampler("euler!"));
  EXPECT_EQ(find_scheduler("SGM Uniform"), SchedulerKind::kSgmUniform);
  EXPECT_FALSE(find_scheduler("linear"));
}

}  // namespace
}  // namespace sd
