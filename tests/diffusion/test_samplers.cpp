#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "sd/core/error.h"
#include "sd/diffusion/samplers.h"

namespace sd {
namespace {

/// Knows the answer: the noise of x around a fixed clean picture. Every exact sampler then ends at
/// that picture.
class OracleDenoiser final : public Denoiser {
 public:
  explicit OracleDenoiser(torch::Tensor x0)
      : x0_(std::move(x0)), schedule_(NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000)) {}
  torch::Tensor eps(const torch::Tensor& x, double t, int64_t step) override {
    calls.push_back({t, step});
    const double alpha = schedule_.alphas_cumprod[static_cast<std::size_t>(t)];
    return (x - std::sqrt(alpha) * x0_) / std::sqrt(1 - alpha);
  }
  struct Call {
    double t;
    int64_t step;
  };
  std::vector<Call> calls;

 private:
  torch::Tensor x0_;
  NoiseSchedule schedule_;
};

SampleRun run_of(int64_t steps) {
  SampleRun run;
  run.schedule = uniform_steps(NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000), steps);
  return run;
}

torch::Tensor picture() { return at::full({1, 4, 8, 8}, 0.5); }

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// The last step goes to the ᾱ of timestep 0, not to 1: that much noise is left, sqrt(1 - 0.99915) =
// 0.029 of ε.
constexpr double kRestNoise = 0.15;

TEST(Ddim, EndsAtThePictureThatTheDenoiserKnows) {
  OracleDenoiser denoiser(picture());
  const auto x = sample_ddim(denoiser, at::randn({1, 4, 8, 8}), run_of(20));
  EXPECT_LT(distance(x, picture()), kRestNoise);
}

TEST(Ddim, EtaZeroDrawsNoRandomNumbers) {
  OracleDenoiser denoiser(picture());
  EXPECT_NO_THROW(
      sample_ddim(denoiser, at::randn({1, 4, 8, 8}), run_of(5)));  // no noise source given
}

TEST(Ddim, EtaNeedsANoiseSourceAndMustNotExceedOne) {
  OracleDenoiser denoiser(picture());
  auto run = run_of(5);
  run.eta = 0.5;
  EXPECT_THROW(sample_ddim(denoiser, picture(), run), UsageError);
  run.eta = 1.5;
  EXPECT_THROW(sample_ddim(denoiser, picture(), run), UsageError);
}

TEST(Plms, EndsAtThePictureThatTheDenoiserKnows) {
  OracleDenoiser denoiser(picture());
  const auto x = sample_plms(denoiser, at::randn({1, 4, 8, 8}), run_of(50));
  EXPECT_LT(distance(x, picture()), kRestNoise);
}

TEST(Plms, CallsTheDenoiserTwiceInItsFirstStepOnly) {
  OracleDenoiser denoiser(picture());
  sample_plms(denoiser, picture(), run_of(10));
  ASSERT_EQ(denoiser.calls.size(), 11u);
  EXPECT_EQ(denoiser.calls[0].step, 0);
  EXPECT_EQ(denoiser.calls[1].step, 0);
  EXPECT_EQ(denoiser.calls[0].t, 901);
  EXPECT_EQ(denoiser.calls[1].t, 801);
  EXPECT_EQ(denoiser.calls[10].step, 9);
}

TEST(Plms, OneStepWorks) {
  OracleDenoiser denoiser(picture());
  const auto x = sample_plms(denoiser, at::randn({1, 4, 8, 8}), run_of(1));
  EXPECT_TRUE(x.isfinite().all().item<bool>());
}

TEST(Plms, RefusesEta) {
  OracleDenoiser denoiser(picture());
  auto run = run_of(5);
  run.eta = 0.1;
  EXPECT_THROW(sample_plms(denoiser, picture(), run), UsageError);
}

TEST(Samplers, StopWhenTheCallbackSaysSo) {
  OracleDenoiser denoiser(picture());
  auto run = run_of(10);
  run.on_step = [](const StepReport& report) { return report.step < 2; };
  EXPECT_THROW(sample_ddim(denoiser, picture(), run), Cancelled);
  EXPECT_EQ(denoiser.calls.size(), 3u);
}

TEST(Samplers, GoOnFromWhatAnEditMakesOfAStep) {
  for (const auto sampler : {sample_ddim, sample_plms}) {
    OracleDenoiser denoiser(picture());
    auto run = run_of(5);
    std::vector<int64_t> edited;
    run.edit = [&](torch::Tensor x, int64_t step) {
      edited.push_back(step);
      return at::full(x.sizes(), static_cast<double>(step));
    };
    run.on_step = [](const StepReport& report) {
      EXPECT_EQ(report.x.max().item<double>(), static_cast<double>(report.step));
      return true;
    };
    const auto x = sampler(denoiser, picture(), run);
    EXPECT_EQ(edited, (std::vector<int64_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(x.max().item<double>(), 4.0);
  }
}

TEST(Samplers, StartMidwayFromTheNoisedPicture) {
  const auto start = start_midway(run_of(20).schedule, 10);
  for (const auto sampler : {sample_ddim, sample_plms}) {
    OracleDenoiser denoiser(picture());
    SampleRun run;
    run.schedule = start.schedule;
    const auto noise = at::randn({1, 4, 8, 8});
    const auto x = sampler(denoiser, add_noise(picture(), noise, start.alpha), run);
    EXPECT_LT(distance(x, picture()), kRestNoise);
    EXPECT_EQ(denoiser.calls.front().t, 451);
    EXPECT_EQ(denoiser.calls.back().t, 1);
  }
}

TEST(GuidedDenoiser, MixesTheTwoHalves) {
  GuidedDenoiser denoiser(
      [](const torch::Tensor& x, double, int64_t) {
        auto eps = at::full(x.sizes(), 1.0);
        eps.narrow(0, x.size(0) / 2, x.size(0) / 2).fill_(3.0);  // conditional rows
        return eps;
      },
      {{7.5}});
  const auto eps = denoiser.eps(picture(), 1, 0);
  ASSERT_EQ(eps.size(0), 1);
  EXPECT_FLOAT_EQ(eps.max().item<float>(), 1.0F + 7.5F * 2.0F);
}

TEST(GuidedDenoiser, ScaleOneCallsTheConditionalRowsOnly) {
  GuidedDenoiser denoiser([](const torch::Tensor& x, double, int64_t) { return x; }, {{1.0}});
  EXPECT_EQ(denoiser.eps(picture(), 1, 0).size(0), 1);
}

TEST(GuidedDenoiser, FollowsAPictureAndATextByTheirOwnScales) {
  // Each pass predicts a number of its own: 1, 3, 10.
  GuidedDenoiser denoiser(
      [](const torch::Tensor& x, double, int64_t) {
        auto eps = at::full(x.sizes(), 1.0);
        const int64_t rows = x.size(0) / 3;
        eps.narrow(0, rows, rows).fill_(3.0);
        eps.narrow(0, 2 * rows, rows).fill_(10.0);
        return eps;
      },
      {{7.5}, 1.5});
  const auto eps = denoiser.eps(picture(), 1, 0);
  ASSERT_EQ(eps.size(0), 1);
  EXPECT_FLOAT_EQ(eps.max().item<float>(), 1.0F + 1.5F * 2.0F + 7.5F * 7.0F);
}

TEST(GuidedDenoiser, AddsUpThePartsOfEachRow) {
  // Passes predict 1, 3, 10 for the first row, and 2, 4, 11 for the second, which has one part.
  GuidedDenoiser denoiser(
      [](const torch::Tensor& x, double, int64_t) {
        return at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 10.0F, 11.0F})
            .view({6, 1, 1, 1})
            .expand(x.sizes());
      },
      {{7.5}, {}, {{0.5, 1}, {-2, 0}}});
  const auto eps = denoiser.eps(at::zeros({2, 4, 8, 8}), 1, 0);
  EXPECT_FLOAT_EQ(eps[0].max().item<float>(), 1.0F + 7.5F * (0.5F * 2.0F - 2.0F * 9.0F));
  EXPECT_FLOAT_EQ(eps[1].max().item<float>(), 2.0F + 7.5F * 2.0F);
}

TEST(GuidedDenoiser, PartsFollowAPictureToo) {
  // Without the picture 1, without a prompt 3, then the parts' 10 and 20.
  GuidedDenoiser denoiser(
      [](const torch::Tensor& x, double, int64_t) {
        return at::tensor({1.0F, 3.0F, 10.0F, 20.0F}).view({4, 1, 1, 1}).expand(x.sizes());
      },
      {{7.5}, 1.5, {{1}, {0.5}}});
  EXPECT_FLOAT_EQ(denoiser.eps(picture(), 1, 0).max().item<float>(),
                  1.0F + 1.5F * 2.0F + 7.5F * (7.0F + 0.5F * 17.0F));
}

TEST(Guidance, PartsAreAPassEachAndNeedTheUnconditional) {
  using enum GuidancePass;
  const Guidance guidance{{1}, {}, {{1}, {0.5}}};
  EXPECT_EQ(guidance.passes(),
            (std::vector<GuidancePass>{kUnconditional, kConditional, kConditional}));
}

TEST(Guidance, PartsWhoseScaledWeightsAddUpToOneAreEnough) {
  using enum GuidancePass;
  using Passes = std::vector<GuidancePass>;
  const Passes alone = {kConditional, kConditional},
               guided = {kUnconditional, kConditional, kConditional};
  EXPECT_EQ((Guidance{{1}, {}, {{0.7}, {0.3}}}.passes()), alone);
  EXPECT_EQ((Guidance{{4}, {}, {{0.125}, {0.125}}}.passes()), alone);
  // Of several rows, all.
  EXPECT_EQ((Guidance{{1}, {}, {{0.5, 0.5}, {0.5, 0.4}}}.passes()), guided);
  Guidance scaled{{1}, {}, {{0.5, 0.5}, {0.5, 0.5}}};
  scaled.row_scales = {1, 2};
  EXPECT_EQ(scaled.passes(), guided);
}

TEST(Guidance, OutsideOfAnIntervalPassesAreTheLastOfThoseInside) {
  Guidance guidance{{4}, {}, {{0.125}, {0.125}}};
  guidance.guidance_interval = {0, 0.5};
  // Inside nothing but parts counts; outside, at scale 1, what they leave of 1 does.
  EXPECT_EQ(guidance.unguided().passes(), guidance.passes());
  Guidance pictured{{7.5}, 1.5};
  EXPECT_EQ(pictured.unguided().passes(), (std::vector{GuidancePass::kConditional}));
}

TEST(GuidedDenoiser, AddsUpPartsWithoutTheUnconditional) {
  GuidedDenoiser denoiser(
      [](const torch::Tensor& x, double, int64_t) {
        return at::tensor({10.0F, 20.0F}).view({2, 1, 1, 1}).expand(x.sizes());
      },
      {{4}, {}, {{0.0625}, {0.1875}}});
  EXPECT_FLOAT_EQ(denoiser.eps(picture(), 1, 0).max().item<float>(), 0.25F * 10 + 0.75F * 20);
}

TEST(GuidedDenoiser, FollowsNeitherAPictureNorATextOutsideOfTheInterval) {
  std::vector<int64_t> rows;
  Guidance guidance{{7.5}, 1.5};
  guidance.guidance_interval = {0, 0.5};
  GuidedDenoiser denoiser(
      [&](const torch::Tensor& x, double, int64_t) {
        rows.push_back(x.size(0));
        return x;
      },
      guidance, 2);
  denoiser.eps(picture(), 1, 0);
  EXPECT_TRUE(at::equal(denoiser.eps(picture(), 1, 1), picture()));
  EXPECT_EQ(rows, (std::vector<int64_t>{3, 1}));
}

TEST(Guidance, ScalesOfOneSavePasses) {
  using enum GuidancePass;
  using Passes = std::vector<GuidancePass>;
  EXPECT_EQ((Guidance{{7.5}}.passes()), (Passes{kUnconditional, kConditional}));
  EXPECT_EQ((Guidance{{1}}.passes()), (Passes{kConditional}));
  EXPECT_EQ((Guidance{{7.5}, 1.5}.passes()), (Passes{kBlind, kUnconditional, kConditional}));
  EXPECT_EQ((Guidance{{1}, 1.5}.passes()), (Passes{kBlind, kUnconditional, kConditional}));
  EXPECT_EQ((Guidance{{7.5}, 1}.passes()), (Passes{kUnconditional, kConditional}));
  EXPECT_EQ((Guidance{{1}, 1}.passes()), (Passes{kConditional}));
}

TEST(EpsFromVelocity, UndoesTheDefinitionOfV) {
  const double alpha = 0.36;  // square roots 0.6 and 0.8
  const auto x0 = at::full({1}, 2.0), eps = at::full({1}, -1.0);
  const auto x = add_noise(x0, eps, alpha);
  const auto v = 0.6 * eps - 0.8 * x0;
  EXPECT_NEAR(eps_from_velocity(v, x, alpha).item<double>(), -1.0, 1e-6);
}

}  // namespace
}  // namespace sd
