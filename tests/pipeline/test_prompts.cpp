// Prompts with weights, chunks and changes on the way to the UNet.
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "pipeline/encode.h"
#include "pipeline/prompt_contexts.h"
#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/pipeline/txt2img.h"
#include "support/drawing.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

using test::relative_difference;
using test::tiny_model;

DrawRequest request_of(const std::vector<std::string>& prompts, const std::string& negative = "") {
  DrawRequest request;
  request.targets = {prompts};
  request.negative_prompt = negative;
  request.prompt_syntax = PromptSyntax::kA1111;
  return request;
}

torch::Tensor context_of(const DrawRequest& request, int64_t step = 0) {
  const c10::InferenceMode inference;
  const BatchNetworks none;
  PromptContexts contexts(tiny_model(), request, 10, none);
  contexts.add(request.targets[0]);
  return contexts.at(step);
}

torch::Tensor plain(const std::vector<std::string>& prompts) {
  const c10::InferenceMode inference;
  return encode_prompts(tiny_model(), prompts);
}

TEST(PromptContexts, WeightsMultiplyTokensAndKeepTheMean) {
  const auto z = plain({"a red cat"});
  auto weights = torch::ones({1, 77, 1}, test::device());
  weights[0][2] = 1.5;
  const auto weighed = z * weights;
  const auto expected = weighed * (z.mean() / weighed.mean());
  EXPECT_LT(relative_difference(context_of(request_of({"a (red:1.5) cat"})), expected), 1e-6);
  EXPECT_TRUE(context_of(request_of({"(a red cat:1.0)"})).equal(z));
}

TEST(PromptContexts, ChunksStandBehindOneAnother) {
  const auto expected = at::cat({plain({"a cat"}), plain({"a dog"})}, 1);
  EXPECT_LT(relative_difference(context_of(request_of({"a cat BREAK a dog"})), expected), 1e-6);
  // A shorter prompt of the same batch gets an empty chunk.
  const auto both = context_of(request_of({"a cat BREAK a dog", "a fox"}));
  EXPECT_LT(relative_difference(both[1], at::cat({plain({"a fox"}), plain({""})}, 1)[0]), 1e-6);
}

TEST(PromptContexts, APromptChangesAtItsStep) {
  const auto request = request_of({"a [red:blue:0.5] cat"});
  EXPECT_TRUE(context_of(request, 4).equal(plain({"a red cat"})));
  EXPECT_TRUE(context_of(request, 5).equal(plain({"a blue cat"})));
}

TEST(PromptContexts, RepeatingAContextLeavesAttentionAsItIs) {
  const c10::InferenceMode inference;
  auto request = request_of({"a cat BREAK a dog BREAK a fox"}, "blurry");
  const BatchNetworks none;
  PromptContexts contexts(tiny_model(), request, 10, none);
  contexts.add_negative(1);
  ASSERT_EQ(contexts.at(0).size(1), 231);
  const auto x = at::randn({1, 4, 16, 16}).to(test::device());
  const auto t = at::tensor({500.0F}).to(test::device());
  auto unet = tiny_model().model->unet;
  EXPECT_LT(relative_difference(unet->forward(x, t, contexts.at(0), {}),
                                unet->forward(x, t, plain({"blurry"}), {})),
            1e-5);  // float32 sums over three times as many terms
}

TEST(PromptContexts, EachPartIsReadByItself) {
  const c10::InferenceMode inference;
  const auto request = request_of({"a (red:1.0) cat AND a [dog:fox:0.5]:0.6", "a bird"});
  const BatchNetworks none;
  PromptContexts contexts(tiny_model(), request, 10, none);
  for (const int64_t part : {0, 1}) contexts.add(request.targets[0], part);
  EXPECT_TRUE(contexts.at(0).equal(plain({"a red cat", "a bird", "a dog", "a bird"})));
  EXPECT_TRUE(contexts.at(5).equal(plain({"a red cat", "a bird", "a fox", "a bird"})));
  using Weights = std::vector<std::vector<double>>;
  EXPECT_EQ(part_weights(tiny_model(), request), (Weights{{1, 1}, {0.6, 0}}));
  EXPECT_EQ(part_weights(tiny_model(), request_of({"a cat", "a bird"})), Weights());
}

TEST(PromptContexts, InANegativePromptAndIsText) {
  const c10::InferenceMode inference;
  const auto request = request_of({"a cat"}, "a cat AND a dog");
  const BatchNetworks none;
  PromptContexts contexts(tiny_model(), request, 10, none);
  contexts.add_negative(2);
  EXPECT_TRUE(contexts.at(0).equal(plain({"a cat AND a dog", "a cat AND a dog"})));
}

TEST(PromptContexts, ClipSkipTakesAnEarlierLayer) {
  auto request = request_of({"a cat"});
  request.clip_skip = 2;
  const auto skipped = context_of(request);
  EXPECT_GT(relative_difference(skipped, plain({"a cat"})), 0.01);
  request.clip_skip = 3;  // the tiny model has two layers
  test::expect_error<UsageError>([&] { context_of(request); }, "clip skip 3", "1 to 2");
}

TEST(PromptContexts, PicturesFollow) {
  const auto drawn = [](const std::string& prompt, PromptSyntax syntax) {
    Txt2ImgRequest request;
    request.prompts = {prompt};
    request.width = request.height = 128;
    request.steps = 4;
    request.decode = false;
    request.prompt_syntax = syntax;
    SeededNoise noise(1, RngChoice::kCpu, test::device());
    return txt2img(tiny_model(), request, noise).latents;
  };
  const auto cat = drawn("a red cat", PromptSyntax::kPlain);
  EXPECT_TRUE(drawn("a red cat", PromptSyntax::kAuto).equal(cat));
  EXPECT_TRUE(drawn("a (red:1) cat", PromptSyntax::kAuto).equal(cat));
  for (const char* other : {"a (red:1.5) cat", "a [red] cat", "a [red:blue:0.5] cat",
                            "a [red|blue] cat", "a red cat BREAK a dog"}) {
    EXPECT_FALSE(drawn(other, PromptSyntax::kAuto).equal(cat)) << other;
  }
}

}  // namespace
}  // namespace sd
