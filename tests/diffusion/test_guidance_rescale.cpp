// Guidance that is rescaled (arXiv:2305.08891), beside diffusers' rescale_noise_cfg in every
// sampler (tests/tools/make_guidance_rescale_values.py), and guidance in some steps alone.
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tanh.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "diffusion/known_denoisers.h"
#include "support/golden.h"

namespace sd {
namespace {

using test::Golden;
using test::relative_difference;
using test::sd_v1_table;

constexpr double kTolerance = 1e-5;
constexpr double kScale = 7.5;
constexpr double kRescale = 0.7;

Guidance rescaled_by(double phi) {
  Guidance guidance;
  guidance.guidance_scale = kScale;
  guidance.guidance_rescale = phi;
  return guidance;
}

/// The references' two pictures: their clean latents and their noises. In float64, as there:
/// guidance makes much of what is rounded in the difference of two predictions.
struct Pictures {
  torch::Tensor x0, noise;
};

Pictures pictures() {
  const Golden golden("goldens/ksamplers.safetensors");
  const auto x0 = golden["x0"].to(torch::kDouble), noise = golden["noise"].to(torch::kDouble);
  return {at::cat({x0, 2 * x0.flip({-1})}), at::cat({noise, noise.flip({0})}, 1)};
}

/// ε of D(x, σ) = tanh(x / (1 + σ)) + c·x0: c is −0.1 in the first half of the rows, 0.25 in the
/// others.
NoiseModel two_denoisers(const torch::Tensor& x0) {
  return [x0](const torch::Tensor& rows, double t, int64_t) {
    const double sigma = sd_v1_table().sigma(t);
    const auto x = rows * std::sqrt(1 + sigma * sigma);
    return (x - at::tanh(x / (1 + sigma)) - at::cat({-0.1 * x0, 0.25 * x0})) / sigma;
  };
}

StepNoise replay(const torch::Tensor& noise) {
  return [noise, next = int64_t{0}](const torch::Tensor&, double, double) mutable {
    return noise[next++];
  };
}

std::vector<double> doubles(const torch::Tensor& values) {
  const auto all = values.to(torch::kDouble).contiguous();
  return {all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()};
}

/// The reference's name of a sampler.
std::string reference(SamplerKind kind) {
  switch (kind) {
    case SamplerKind::kDdim:
      return "ddim";
    case SamplerKind::kPlms:
      return "plms";
    case SamplerKind::kEuler:
      return "euler";
    case SamplerKind::kEulerAncestral:
      return "euler_ancestral";
    case SamplerKind::kHeun:
      return "heun";
    case SamplerKind::kDpm2:
      return "dpm_2";
    case SamplerKind::kDpm2Ancestral:
      return "dpm_2_ancestral";
    case SamplerKind::kLms:
      return "lms";
    case SamplerKind::kDpmpp2sAncestral:
      return "dpmpp_2s_ancestral";
    case SamplerKind::kDpmpp2m:
      return "dpmpp_2m";
    case SamplerKind::kDpmppSde:
      return "dpmpp_sde";
    case SamplerKind::kDpmpp2mSde:
      return "dpmpp_2m_sde";
    case SamplerKind::kDpmpp3mSde:
      return "dpmpp_3m_sde";
    case SamplerKind::kUniPc:
      return "unipc";
    case SamplerKind::kLcm:
      return "lcm";
    case SamplerKind::kTcd:  // of which tests/pipeline/test_few_steps.cpp tells
      return {};
  }
  return {};
}

torch::Tensor draw_by_sigma(SamplerKind kind, Denoiser& denoiser, const torch::Tensor& noise) {
  const Golden rescale("goldens/guidance_rescale.safetensors");
  SigmaRun run;
  if (kind == SamplerKind::kUniPc) {
    run.sigmas = doubles(Golden("goldens/samplers.safetensors")["unipc_sigmas"]);
  } else if (kind == SamplerKind::kLcm || kind == SamplerKind::kTcd) {
    run.sigmas = sigma_steps(SchedulerKind::kLcm, sd_v1_table(), 4);
    run.noise = replay(rescale["lcm_noise"].to(torch::kDouble));
    run.down = tcd_levels(sd_v1_table(), run.sigmas, 0.3);
  } else {
    run.sigmas = {14, 9, 5.5, 3, 1.75, 0.9, 0.45, 0.2, 0.08, 0.03, 0};  // the references'
    run.noise = replay(noise);
  }
  EpsSigmaDenoiser by_sigma(denoiser, sd_v1_table());
  return sigma_sampler(kind)(by_sigma, noise[39] * run.sigmas.front(), run);
}

torch::Tensor draw(SamplerKind kind, Denoiser& denoiser, const torch::Tensor& noise) {
  if (sigma_sampler(kind) != nullptr) return draw_by_sigma(kind, denoiser, noise);
  SampleRun run;
  run.schedule = uniform_steps(NoiseSchedule::sqrt_linear(0.00085, 0.0120, 1000), 10);
  return kind == SamplerKind::kDdim ? sample_ddim(denoiser, noise[39], run)
                                    : sample_plms(denoiser, noise[39], run);
}

TEST(GuidanceRescaled, FollowsDiffusersInEverySampler) {
  const auto [x0, noise] = pictures();
  const Golden golden("goldens/guidance_rescale.safetensors");
  for (const auto& info : all_samplers()) {
    if (reference(info.kind).empty()) continue;
    GuidedDenoiser denoiser(two_denoisers(x0), rescaled_by(kRescale));
    const auto x = draw(info.kind, denoiser, noise);
    EXPECT_LT(relative_difference(x, golden[reference(info.kind)]), kTolerance) << info.name;
  }
}

TEST(GuidanceRescaled, ByNothingIsGuidanceToTheBit) {
  const auto [x0, noise] = pictures();
  GuidedDenoiser plain(two_denoisers(x0), {{kScale}});
  GuidedDenoiser rescaled(two_denoisers(x0), rescaled_by(0));
  EXPECT_TRUE(at::equal(plain.eps(noise[0], 500, 0), rescaled.eps(noise[0], 500, 0)));
}

TEST(GuidanceRescaled, ByOneHasTheContrastOfTheConditionalPredictionInEachPicture) {
  const auto [x0, noise] = pictures();
  const auto conditional = two_denoisers(x0)(at::cat({noise[0], noise[0]}), 500, 0).narrow(0, 2, 2);
  GuidedDenoiser denoiser(two_denoisers(x0), rescaled_by(1));
  const auto eps = denoiser.eps(noise[0], 500, 0);
  for (int64_t row = 0; row < 2; ++row) {
    EXPECT_NEAR(eps[row].std().item<double>(), conditional[row].std().item<double>(), 1e-5);
  }
}

/// Guides some steps as one denoiser does and the others as another.
class EitherDenoiser final : public Denoiser {
 public:
  EitherDenoiser(Denoiser& in, Denoiser& out, StepShare share, int64_t num_steps)
      : in_(in), out_(out), share_(share), num_steps_(num_steps) {}
  torch::Tensor eps(const torch::Tensor& x, double t, int64_t step) override {
    return (share_.contains(step, num_steps_) ? in_ : out_).eps(x, t, step);
  }

 private:
  Denoiser &in_, &out_;
  StepShare share_;
  int64_t num_steps_;
};

TEST(GuidanceInterval, IsScaleOneOutsideAndGuidanceInsideInEverySampler) {
  const auto [x0, noise] = pictures();
  // ε of half of the rows is the prompt's: the model tells by their number what it is asked for.
  const NoiseModel model = [x0 = x0](const torch::Tensor& rows, double t, int64_t step) {
    if (rows.size(0) == 2 * x0.size(0)) return two_denoisers(x0)(rows, t, step);
    return two_denoisers(x0)(at::cat({rows, rows}), t, step).chunk(2)[1];
  };
  for (const auto& info : all_samplers()) {
    const int64_t steps = info.scheduler == SchedulerKind::kLcm ? 4 : 10;
    auto guidance = rescaled_by(kRescale);
    guidance.guidance_interval = {0.25, 0.75};
    GuidedDenoiser found(model, guidance, steps);
    GuidedDenoiser in(model, rescaled_by(kRescale)), out(model, {{1}});
    EitherDenoiser expected(in, out, {0.25, 0.75}, steps);
    EXPECT_TRUE(at::equal(draw(info.kind, found, noise), draw(info.kind, expected, noise)))
        << info.name;
    GuidedDenoiser everywhere(model, rescaled_by(kRescale));
    EXPECT_FALSE(at::equal(draw(info.kind, found, noise), draw(info.kind, everywhere, noise)))
        << info.name;
  }
}

TEST(GuidanceRescaled, LeavesAFlatPredictionFinite) {
  // Every pass predicts one number for all pixels: no contrast, and nothing to scale.
  GuidedDenoiser denoiser(
      [](const torch::Tensor& rows, double, int64_t) { return at::full(rows.sizes(), 2.0); },
      rescaled_by(kRescale));
  EXPECT_TRUE(denoiser.eps(at::zeros({1, 4, 8, 8}), 500, 0).isfinite().all().item<bool>());
}

}  // namespace
}  // namespace sd
