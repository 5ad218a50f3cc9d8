// Samplers over noise levels beside the original implementations' trajectories.
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "diffusion/known_denoisers.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/golden.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::TanhDenoiser;

// Both sides compute in float32, the references their noise levels too: a few roundings of 6e-8 of
// the start's 14.6 at most.
constexpr double kTolerance = 1e-5;

std::vector<double> doubles(const torch::Tensor& values) {
  const auto all = values.to(torch::kDouble).contiguous();
  return {all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()};
}

/// Takes the reference's noise in the order it did.
StepNoise replay(const torch::Tensor& noise) {
  return [noise, next = int64_t{0}](const torch::Tensor&, double, double) mutable {
    return noise[next++];
  };
}

/// x at the start and after every step.
torch::Tensor trajectory(SigmaSampler sampler, const torch::Tensor& x0, const torch::Tensor& start,
                         SigmaRun run) {
  TanhDenoiser denoiser(x0);
  std::vector<torch::Tensor> points = {start};
  run.on_step = [&](const StepReport& report) {
    points.push_back(report.x.clone());
    return true;
  };
  sampler(denoiser, start, run);
  return at::stack(points);
}

struct NamedKind {
  const char* reference;
  SamplerKind kind;
};

constexpr NamedKind kReferences[] = {
    {"euler", SamplerKind::kEuler},
    {"euler_ancestral", SamplerKind::kEulerAncestral},
    {"heun", SamplerKind::kHeun},
    {"dpm_2", SamplerKind::kDpm2},
    {"dpm_2_ancestral", SamplerKind::kDpm2Ancestral},
    {"lms", SamplerKind::kLms},
    {"dpmpp_2s_ancestral", SamplerKind::kDpmpp2sAncestral},
    {"dpmpp_2m", SamplerKind::kDpmpp2m},
    {"dpmpp_sde", SamplerKind::kDpmppSde},
    {"dpmpp_2m_sde", SamplerKind::kDpmpp2mSde},
    {"dpmpp_3m_sde", SamplerKind::kDpmpp3mSde},
};

class KSamplers : public ::testing::TestWithParam<NamedKind> {};

TEST_P(KSamplers, FollowTheReferenceOnThreeSchedules) {
  const Golden golden("goldens/ksamplers.safetensors");
  const auto noise = golden["noise"];
  for (const std::string schedule : {"discrete", "karras", "exponential"}) {
    SigmaRun run;
    run.sigmas = doubles(golden["sigmas_" + schedule]);
    run.noise = replay(noise);
    const auto points = trajectory(sigma_sampler(GetParam().kind), golden["x0"],
                                   noise[39] * run.sigmas.front(), run);
    const auto expected = golden[std::string(GetParam().reference) + "_" + schedule];
    EXPECT_LT(relative_difference(points, expected), kTolerance) << schedule;
    // The end, where values are below 2, by its own measure.
    EXPECT_LT(relative_difference(points[10], expected[10]), kTolerance) << schedule;
  }
}

std::string test_name(const ::testing::TestParamInfo<NamedKind>& test) {
  return test.param.reference;
}

INSTANTIATE_TEST_SUITE_P(All, KSamplers, ::testing::ValuesIn(kReferences), test_name);

TEST(UniPc, FollowsDiffusers) {
  const Golden ksamplers("goldens/ksamplers.safetensors"), golden("goldens/samplers.safetensors");
  SigmaRun run;
  run.sigmas = doubles(golden["unipc_sigmas"]);
  const auto points =
      trajectory(sample_unipc, ksamplers["x0"], ksamplers["noise"][39] * run.sigmas.front(), run);
  EXPECT_LT(relative_difference(points, golden["unipc"]), kTolerance);
  EXPECT_LT(relative_difference(points[10], golden["unipc"][10]), kTolerance);
}

TEST(UniPc, KeepsWhatAnEditChanges) {
  const Golden ksamplers("goldens/ksamplers.safetensors");
  SigmaRun run;
  run.sigmas = sigma_steps(SchedulerKind::kKarras, test::sd_v1_table(), 10);
  run.edit = [](torch::Tensor x, int64_t step) { return step == 4 ? x + 3.0 : x; };
  const auto start = ksamplers["noise"][39] * run.sigmas.front();
  const auto edited = trajectory(sample_unipc, ksamplers["x0"], start, run);
  run.edit = nullptr;
  const auto plain = trajectory(sample_unipc, ksamplers["x0"], start, run);
  EXPECT_EQ(relative_difference(edited[4], plain[4]), 0);
  // The edit moves the next step's end nearly as far; without it the corrector would go back.
  const double ratio = run.sigmas[6] / run.sigmas[5];
  EXPECT_GT((edited[6] - plain[6]).min().item<double>(), 3.0 * ratio * 0.5);
}

TEST(Lcm, FollowsDiffusers) {
  const Golden ksamplers("goldens/ksamplers.safetensors"), golden("goldens/samplers.safetensors");
  for (const std::string steps : {"4", "7"}) {
    SigmaRun run;
    run.sigmas = sigma_steps(SchedulerKind::kLcm, test::sd_v1_table(), std::stol(steps));
    EXPECT_LT(relative_difference(torch::tensor(run.sigmas).to(torch::kFloat),
                                  golden["lcm_" + steps + "_sigmas"]),
              1e-6);
    run.noise = replay(golden["lcm_" + steps + "_noise"]);
    const auto expected = golden["lcm_" + steps];
    const auto points =
        trajectory(sample_lcm, ksamplers["x0"], ksamplers["noise"][39] * run.sigmas.front(), run);
    EXPECT_LT(relative_difference(points, expected), kTolerance) << steps;
    EXPECT_LT(relative_difference(points[-1], expected[-1]), kTolerance) << steps;
  }
}

TEST(SigmaSamplers, EndAsTheLastEditSays) {
  for (const auto& info : all_samplers()) {
    const auto sampler = sigma_sampler(info.kind);
    if (sampler == nullptr) continue;
    TanhDenoiser denoiser(at::zeros({1, 4, 2, 2}));
    SigmaRun run;
    run.sigmas = sigma_steps(SchedulerKind::kKarras, test::sd_v1_table(), 5);
    run.noise = [](const torch::Tensor& x, double, double) { return at::zeros_like(x); };
    std::vector<int64_t> edited;
    run.edit = [&](const torch::Tensor& x, int64_t step) {
      edited.push_back(step);
      return at::full_like(x, static_cast<double>(step));
    };
    const auto x = sampler(denoiser, at::full({1, 4, 2, 2}, 14.6), run);
    EXPECT_EQ(edited, (std::vector<int64_t>{0, 1, 2, 3, 4})) << info.name;
    EXPECT_EQ(x.max().item<double>(), 4.0) << info.name;
  }
}

TEST(SigmaSamplers, CallTheDenoiserAsOftenAsTheTableSays) {
  for (const auto& info : all_samplers()) {
    const auto sampler = sigma_sampler(info.kind);
    if (sampler == nullptr) continue;
    TanhDenoiser denoiser(at::zeros({1, 4, 2, 2}));
    SigmaRun run;
    run.sigmas = sigma_steps(SchedulerKind::kKarras, test::sd_v1_table(), 5);
    run.noise = [](const torch::Tensor& x, double, double) { return at::zeros_like(x); };
    sampler(denoiser, at::full({1, 4, 2, 2}, 14.6), run);
    // The last step, to 0, takes one call in every sampler.
    EXPECT_EQ(denoiser.steps.size(), static_cast<std::size_t>(info.calls * 4 + 1)) << info.name;
    EXPECT_EQ(denoiser.steps.back(), 4) << info.name;
  }
}

TEST(SigmaSamplers, StopWhenTheCallbackSaysSo) {
  TanhDenoiser denoiser(at::zeros({1, 4, 2, 2}));
  SigmaRun run;
  run.sigmas = sigma_steps(SchedulerKind::kKarras, test::sd_v1_table(), 5);
  run.on_step = [](const StepReport& report) { return report.step < 1; };
  EXPECT_THROW(sample_euler(denoiser, at::zeros({1, 4, 2, 2}), run), Cancelled);
  EXPECT_EQ(denoiser.steps.size(), 2u);
}

TEST(SigmaSamplers, RefuseNoiseLevelsThatDoNotFallAndNoiseThatIsMissing) {
  TanhDenoiser denoiser(at::zeros({1, 4, 2, 2}));
  const auto x = at::zeros({1, 4, 2, 2});
  SigmaRun run;
  run.sigmas = {1.0};
  EXPECT_THROW(sample_euler(denoiser, x, run), UsageError);
  run.sigmas = {1.0, 2.0, 0.0};
  EXPECT_THROW(sample_euler(denoiser, x, run), UsageError);
  run.sigmas = {2.0, 1.0, 0.0};
  test::expect_error<UsageError>([&] { sample_euler_ancestral(denoiser, x, run); }, "noise");
  run.eta = 0;
  EXPECT_NO_THROW(sample_euler_ancestral(denoiser, x, run));
}

}  // namespace
}  // namespace sd
