// Controls by words, as a program says them: on the tiny model, two steps.
#include <gtest/gtest.h>

#include "sd/control/chain.h"
#include "sd/core/error.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/word_maps.h"
#include "sd/pipeline/word_swap.h"
#include "support/drawing.h"
#include "support/expect_error.h"

namespace sd {
namespace {

using test::expect_error;
using test::tiny_model;

const std::string kSource = "a red circle above a blue square";
const std::string kTarget = "a green circle above a blue square";

WordSwapRequest pair_request() {
  WordSwapRequest request;
  request.source = kSource;
  request.targets = {kTarget};
  request.width = request.height = 64;
  request.steps = 2;
  request.decode = false;
  return request;
}

TEST(WordSwap, DrawsWhatControllersMadeByHandDraw) {
  const auto& tokenizer = *tiny_model().tokenizer;
  const auto result = swap_words(tiny_model(), pair_request());

  WordControls words;
  const auto controls = make_word_controls(words, {{{kTarget}, kSource}}, tokenizer);
  ASSERT_EQ(controls.links.size(), 2U);  // Prompt-to-Prompt, self-attention injection
  Chain chain(controls.links);
  SwapRequest request;
  static_cast<DrawSettings&>(request) = pair_request();
  request.targets = {{kTarget}};
  request.source = {kSource};
  request.controller = &chain;
  auto noise = noise_of(tiny_model(), request);
  const auto by_hand = draw_swap(tiny_model(), request, noise);
  EXPECT_TRUE(result.targets[0].latents.equal(by_hand.targets[0].latents));
  EXPECT_TRUE(result.source.latents.equal(by_hand.source.latents));
}

TEST(WordSwap, MapsChangeNoPicture) {
  auto request = pair_request();
  const auto with = swap_words(tiny_model(), request);
  request.maps = false;
  const auto without = swap_words(tiny_model(), request);
  EXPECT_TRUE(with.targets[0].latents.equal(without.targets[0].latents));
  EXPECT_FALSE(without.source_maps.defined());
  ASSERT_EQ(with.target_maps.size(), 1U);
  EXPECT_EQ(with.target_maps[0].sizes(), at::IntArrayRef({1, 77, 8, 8}));
}

TEST(WordSwap, AWordMapIsTheMeanOfItsTokensMaps) {
  const auto result = swap_words(tiny_model(), pair_request());
  const auto maps = result.source_maps[0];
  const auto red = word_map(maps, kSource, "red", *tiny_model().tokenizer);
  ASSERT_EQ(red.values.size(), 64U);
  EXPECT_FLOAT_EQ(red.values[9], maps[2][1][1].item<float>());
  expect_error<UsageError>([&] { word_map(maps, kSource, "green", *tiny_model().tokenizer); },
                           "word: ", "circle");
}

TEST(WordSwap, AWordInNoPromptIsNamedByItsField) {
  auto request = pair_request();
  request.words.local_blend = {"triangle"};
  expect_error<UsageError>([&] { swap_words(tiny_model(), request); },
                           "local_blend: 'triangle' is in no prompt", "source has the words");
}

TEST(WordSwap, ControllersOfTheCallerAreRefused) {
  auto request = pair_request();
  test::Onlooker onlooker;
  request.controller = &onlooker;
  expect_error<UsageError>([&] { swap_words(tiny_model(), request); }, "controller");
}

TEST(WordControls, SettingsOutsideTheirRangeAreRefused) {
  const auto make = [](const WordControls& words) {
    make_word_controls(words, {{{kTarget}, kSource}}, *tiny_model().tokenizer);
  };
  WordControls words;
  words.self_max_res = 0;
  expect_error<UsageError>([&] { make(words); }, "self_max_res is 0");
  words = {};
  words.blend_res = 65;
  expect_error<UsageError>([&] { make(words); }, "blend_res is 65");
  words = {};
  words.reweight = {{"circle", {1, 2}}};
  expect_error<UsageError>([&] { make(words); }, "reweight: 'circle' has 2 values for 1 samples");
}

TEST(Txt2Img, WithoutASizeDrawsWhatTheModelWasTrainedFor) {
  Txt2ImgRequest request;
  request.prompts = {kTarget};
  request.steps = 1;
  request.decode = false;
  const auto side = tiny_model().config.image_size;
  EXPECT_EQ(draw_prompts(tiny_model(), request).latents.sizes(),
            at::IntArrayRef({1, 4, side, side}));
}

}  // namespace
}  // namespace sd
