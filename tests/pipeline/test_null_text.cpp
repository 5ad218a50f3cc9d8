// Null-text optimisation, against diffusers' modules and the paper's formulas
// (tests/data/families/gradients.safetensors, by tests/tools/make_gradient_values.py).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/diffusion/schedule.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/null_text.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/family_model.h"

namespace sd {
namespace {

using test::expect_error;
using test::family_model;
using test::Golden;
using test::relative_difference;
using test::TinyFamily;

constexpr double kTolerance = 1e-3;  // of the largest latent
const std::string kPrompt = "a red circle above a blue square";

/// The path that drawing with the prompt alone leaves.
NullTextRequest null_text_request() {
  Txt2ImgRequest request;
  request.prompts = {kPrompt};
  request.width = 192;
  request.height = 128;
  request.steps = 5;
  request.guidance_scale = 1;
  request.start_latents =
      SeededNoise(6, RngChoice::kCpu, torch::Device("cpu")).randn({1, 4, 16, 24});
  request.decode = false;
  const test::Recorded recorded(request);
  const auto& model = family_model(TinyFamily::kV1Deep);
  SeededNoise noise(0, RngChoice::kCpu, test::device());
  txt2img(model, request, noise);
  NullTextRequest null_text;
  std::vector<torch::Tensor> path(recorded.latents.rbegin(), recorded.latents.rend());
  null_text.path = torch::cat(path);
  const auto schedule = uniform_steps(
      NoiseSchedule::sqrt_linear(model.config.linear_start, model.config.linear_end, 1000), 5);
  for (const auto& step : schedule.steps) {
    null_text.timesteps.push_back(step.t);
    null_text.alphas.push_back(step.alpha);
    null_text.alphas_prev.push_back(step.alpha_prev);
  }
  const auto context = [&](const std::string& text) {
    const auto tokens = model.tokenizer->encode(text);
    return model.model->text->forward(
        torch::tensor(tokens.ids, torch::kLong).view({1, -1}).to(test::device()), torch::kFloat, 0,
        {});
  };
  const torch::NoGradGuard off;
  null_text.context = context(kPrompt);
  null_text.unconditional = context("");
  null_text.inner_steps = 4;
  return null_text;
}

TEST(NullText, FindsTheEmbeddingsOfThePaper) {
  const Golden golden("families/gradients.safetensors");
  const auto found = optimise_null_text(family_model(TinyFamily::kV1Deep), null_text_request());
  std::vector<torch::Tensor> tokens;
  for (int64_t token = 0; token < 77; token += 5)
    tokens.push_back(found.embeddings.select(1, token));
  EXPECT_LT(relative_difference(torch::stack(tokens, 1), golden["null_text"]), kTolerance);
  EXPECT_LT(relative_difference(found.latents[0], golden["null_latents"]), kTolerance);
}

TEST(NullText, GoesOnFromAStateToTheBit) {
  const auto& model = family_model(TinyFamily::kV1Deep);
  auto request = null_text_request();
  request.inner_steps = 2;
  const auto whole = optimise_null_text(model, request);
  NullTextState stopped;
  const auto stop_after_two = [&](const NullTextReport& report) {
    stopped = report.state;
    return report.step + 1 < 2;
  };
  EXPECT_THROW(optimise_null_text(model, request, {}, stop_after_two), Cancelled);
  EXPECT_EQ(stopped.steps_done, 2);
  const auto rest = optimise_null_text(model, request, stopped);
  EXPECT_TRUE(rest.embeddings.equal(whole.embeddings));
  EXPECT_TRUE(rest.latents.equal(whole.latents));
}

TEST(NullText, ComesNearerToThePathThanTheEmptyPrompt) {
  const auto& model = family_model(TinyFamily::kV1Deep);
  auto request = null_text_request();
  const auto apart = [&] {
    return (optimise_null_text(model, request).latents - request.path.narrow(0, 0, 1).cpu())
        .square()
        .mean()
        .item<double>();
  };
  request.inner_steps = 0;
  const double plain = apart();
  request.inner_steps = 10;
  EXPECT_LT(apart(), 0.9 * plain);
}

TEST(NullText, WhatDoesNotFitIsSaid) {
  const auto& model = family_model(TinyFamily::kV1Deep);
  const auto whole = null_text_request();
  const auto refused = [&](const NullTextRequest& request, std::string_view what,
                           const NullTextState& state = {}) {
    expect_error<UsageError>([&] { optimise_null_text(model, request, state); }, what);
  };
  auto request = whole;
  request.path = whole.path.narrow(0, 0, 3);
  refused(request, "the path has shape [3,4,16,24], expected [6,4,h,w]");
  request = whole;
  request.alphas.pop_back();
  refused(request, "noise levels of 4");
  request = whole;
  request.context = whole.context.narrow(2, 0, 40);
  refused(request, "both contexts must be [1,K,48]");
  refused(whole, "of another path", {.steps_done = 2, .embeddings = {}, .latents = {}});
}

}  // namespace
}  // namespace sd
