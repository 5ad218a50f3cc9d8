// For Gaussian data the probability-flow ODE and the reverse SDE have closed solutions.
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "diffusion/known_denoisers.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::GaussianDenoiser;

constexpr double kDeviation = 0.7;  // of the data
constexpr double kFirst = 10, kLast = 0.2;

/// Equal distances in log σ, ending above 0, where the last step would be of first order.
std::vector<double> log_even(int64_t steps) {
  std::vector<double> sigmas;
  for (int64_t i = 0; i <= steps; ++i) {
    sigmas.push_back(kFirst *
                     std::pow(kLast / kFirst, static_cast<double>(i) / static_cast<double>(steps)));
  }
  return sigmas;
}

/// The same after three steps of a length that falls with the square of the others': multistep
/// samplers begin with lower orders, and so their error stays small beside the rest.
std::vector<double> log_even_after_start(int64_t steps) {
  constexpr int64_t kStart = 3;
  const double whole = std::log(kFirst / kLast),
               first = std::pow(whole / static_cast<double>(steps), 2);
  std::vector<double> sigmas;
  for (int64_t i = 0; i < kStart; ++i) {
    sigmas.push_back(kFirst * std::exp(-first * static_cast<double>(i)));
  }
  const double left = whole - first * kStart;
  for (int64_t i = 0; i <= steps; ++i) {
    sigmas.push_back(kLast *
                     std::exp(left * static_cast<double>(steps - i) / static_cast<double>(steps)));
  }
  return sigmas;
}

double deviation_at(double sigma) { return std::hypot(kDeviation, sigma); }

/// How far a sampler without noise ends from x(σ) = x_0 · sqrt((s² + σ²)/(s² + σ_0²)).
double ode_error(SigmaSampler sampler, int64_t steps) {
  GaussianDenoiser denoiser(kDeviation);
  SigmaRun run;
  run.sigmas = log_even_after_start(steps);
  run.eta = 0;
  const auto start = at::full({1, 1, 1, 1}, 1.0, torch::kDouble);
  const double exact = deviation_at(kLast) / deviation_at(kFirst);
  return std::abs(sampler(denoiser, start, run).item<double>() / exact - 1);
}

/// The variance that a sampler leaves at σ_last, from the exact one at σ_first. Everything is
/// linear, so it is the sum of what the start and each draw of noise, alone, leave; `mean` returns
/// them in order. Draws are independent where a sampler makes one a step.
double variance_error(SigmaSampler sampler, int64_t steps, int64_t draws_a_step) {
  GaussianDenoiser denoiser(kDeviation);
  double variance = 0;
  const int64_t draws = steps * draws_a_step;
  for (int64_t alone = -1; alone < draws; ++alone) {
    SigmaRun run;
    run.sigmas = log_even(steps);
    int64_t drawn = 0;
    run.noise = [&](const torch::Tensor& x, double, double) {
      return at::full(x.sizes(), drawn++ == alone ? 1.0 : 0.0, torch::kDouble);
    };
    const auto start =
        at::full({1, 1, 1, 1}, alone < 0 ? deviation_at(kFirst) : 0.0, torch::kDouble);
    const double left = sampler(denoiser, start, run).item<double>();
    variance += left * left;
    if (alone >= 0) continue;
    EXPECT_EQ(drawn, draws);
  }
  return std::abs(variance / (deviation_at(kLast) * deviation_at(kLast)) - 1);
}

class Convergence : public ::testing::TestWithParam<SamplerInfo> {};

TEST_P(Convergence, IsOfTheOrderThatTheTableSays) {
  const auto sampler = sigma_sampler(GetParam().kind);
  // Deep enough for the leading term of the error, far from the rounding of doubles.
  const double coarse = ode_error(sampler, 80), fine = ode_error(sampler, 160);
  ASSERT_GT(fine, 1e-12);
  EXPECT_NEAR(std::log2(coarse / fine), GetParam().order, 0.35) << coarse << " " << fine;
}

TEST_P(Convergence, ARandomSamplerEndsWithTheVarianceOfTheData) {
  if (GetParam().noise == StepNoiseKind::kNone) GTEST_SKIP() << "draws no noise";
  const auto sampler = sigma_sampler(GetParam().kind);
  const int64_t draws = GetParam().kind == SamplerKind::kDpmppSde ? 2 : 1;
  const double coarse = variance_error(sampler, 40, draws),
               fine = variance_error(sampler, 80, draws);
  EXPECT_LT(fine, 0.05);
  EXPECT_LT(fine, coarse / 1.6);  // of first order at least
}

std::vector<SamplerInfo> solvers() {
  std::vector<SamplerInfo> solvers;
  for (const auto& info : all_samplers()) {
    // Consistency sampling jumps to D and back: it solves no equation.
    if (sigma_sampler(info.kind) != nullptr && info.scheduler != SchedulerKind::kLcm)
      solvers.push_back(info);
  }
  return solvers;
}

std::string test_name(const ::testing::TestParamInfo<SamplerInfo>& solver) {
  return test::case_name(solver.param.kind);
}

INSTANTIATE_TEST_SUITE_P(All, Convergence, ::testing::ValuesIn(solvers()), test_name);

}  // namespace
}  // namespace sd
