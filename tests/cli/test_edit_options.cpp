#include <gtest/gtest.h>
#include <zlib.h>

#include "cli/options/control_options.h"
#include "cli/plan/control_words.h"
#include "cli/plan/edit_check.h"
#include "sd/core/error.h"
#include "sd/image/png.h"
#include "sd/text/clip_tokenizer.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using test::expect_error;

TEST(WordWeight, HoldsAWordAndItsValues) {
  const auto one = parse_word_weight("snowy=2");
  EXPECT_EQ(one.word, "snowy");
  EXPECT_EQ(one.values, std::vector<double>{2});
  EXPECT_EQ(parse_word_weight("red car=-2, 1,+5").values, (std::vector<double>{-2, 1, 5}));
  EXPECT_EQ(parse_word_weight("a=b=0.5").word, "a=b");
}

TEST(WordWeight, WhatIsNoWeightIsRefused) {
  expect_error<UsageError>([] { parse_word_weight("snowy"); }, "--reweight", "WORD=NUMBER");
  expect_error<UsageError>([] { parse_word_weight("=2"); }, "--reweight", "names no word");
  expect_error<UsageError>([] { parse_word_weight("snowy=x"); }, "--reweight", "'x'");
  expect_error<UsageError>([] { parse_word_weight("snowy=1,,2"); }, "--reweight", "empty");
  expect_error<UsageError>([] { parse_word_weight("snowy=nan"); }, "--reweight");
}

TEST(WordSteps, AreOfOneWordOrOfAll) {
  EXPECT_EQ(parse_word_steps("--cross-steps", "0:0.8").word, "");
  const auto cat = parse_word_steps("--cross-steps", "cat=0.1:0.4");
  EXPECT_EQ(cat.word, "cat");
  EXPECT_EQ(cat.steps.begin, 0.1);
  EXPECT_EQ(cat.steps.end, 0.4);
  EXPECT_EQ(parse_word_steps("--cross-steps", "0.5:0.5").steps.end, 0.5);  // none is a choice too
  expect_error<UsageError>([] { parse_word_steps("--cross-steps", "0.8:0.2"); }, "--cross-steps",
                           "0.8:0.2");
}

DrawOptions with_weight(const std::string& word, std::vector<double> values = {2}) {
  DrawOptions options;
  options.n_samples = 3;
  options.control.reweight = {{word, std::move(values)}};
  return options;
}

void check_words(const DrawOptions& options, const std::vector<PromptSet>& prompts) {
  check_controls(options, prompts, prompts, ClipTokenizer::instance());
}

TEST(CheckControls, AWordThatIsNotThereListsThoseThatAre) {
  const std::vector<PromptSet> prompts = {{{"a house on a snowy mountain"}, std::nullopt}};
  EXPECT_NO_THROW(check_words(with_weight("snowy"), prompts));
  EXPECT_NO_THROW(check_words(with_weight("a#2"), prompts));
  expect_error<UsageError>([&] { check_words(with_weight("snowwy"), prompts); }, "--reweight",
                           "snowwy", "mountain");
}

TEST(CheckControls, WantsOneValueOrOneForEachSample) {
  const std::vector<PromptSet> prompts = {{{"a cat"}, std::nullopt}};
  EXPECT_NO_THROW(check_words(with_weight("cat", {1, 2, 3}), prompts));
  expect_error<UsageError>(
      [&] {
        check_words(with_weight("cat", {1, 2}), prompts);
      },
      "2 values for 3 samples");
}

TEST(CheckControls, AWordThatWasCutOffIsSaid) {
  std::string prompt;
  for (int i = 0; i < 80; ++i) prompt += "very ";
  expect_error<UsageError>(
      [&] {
        check_words(with_weight("cat"), {{{prompt + "cat"}, std::nullopt}});
      },
      "cut off");
}

TEST(CheckControls, ABlendWordMayBeTheSourcesOrTheTargets) {
  DrawOptions options;
  options.swap.local_blend = {"cat", "dog"};
  EXPECT_NO_THROW(check_words(options, {{{"a dog"}, "a cat"}}));
  options.swap.local_blend = {"fox"};
  expect_error<UsageError>(
      [&] {
        check_words(options, {{{"a dog"}, "a cat"}});
      },
      "--local-blend", "fox");
}

TEST(CheckControls, AWordWithABoxIsTheSources) {
  DrawOptions options;
  options.swap.cross_box = {"cat"};
  EXPECT_NO_THROW(check_words(options, {{{"a dog"}, "a cat"}}));
  options.swap.cross_box = {"dog"};
  expect_error<UsageError>(
      [&] {
        check_words(options, {{{"a dog"}, "a cat"}});
      },
      "--cross-box", "dog");
}

TEST(CheckInput, OptionsWithoutWhatTheyBelongToAreRefused) {
  DrawOptions options;
  options.input.strength = 0.5;
  expect_error<UsageError>([&] { check_input(options); }, "--strength", "--init-img");
  options.task = DrawTask::kSwap;  // whose strength the fork read and did not use
  EXPECT_NO_THROW(check_input(options));
  options = {};
  options.input.init_mask = "mask.png";
  expect_error<UsageError>([&] { check_input(options); }, "--init-mask", "--init-img");
  options = {};
  options.input.mask_blur = 2;
  expect_error<UsageError>([&] { check_input(options); }, "--mask-blur", "--init-mask");
  options = {};
  options.input.mask_grow = 2;
  expect_error<UsageError>([&] { check_input(options); }, "--mask-grow", "--init-mask");
}

/// The head of a PNG of that size, which is all that is read of a picture here.
std::string png_head(uint32_t side) {
  auto png = encode_png(Image{1, 1, 1, {0}});
  constexpr std::size_t kHeader = 12, kEnd = 29;  // "IHDR", width, height, …, and its CRC
  for (std::size_t i = 0; i < 4; ++i) {
    png[kHeader + 4 + i] = png[kHeader + 8 + i] = static_cast<std::byte>(side >> (24 - 8 * i));
  }
  const auto* text = reinterpret_cast<const unsigned char*>(png.data());
  const auto crc = crc32(0, text + kHeader, kEnd - kHeader);
  for (std::size_t i = 0; i < 4; ++i) png[kEnd + i] = static_cast<std::byte>(crc >> (24 - 8 * i));
  return {reinterpret_cast<const char*>(text), png.size()};
}

TEST(CheckInput, AHugePictureIsRefusedUnlessASizeIsGiven) {
  const test::TempFolder folder;
  test::write_text(folder / "huge.png", png_head(20000));
  DrawOptions options;
  options.input.init_img = folder / "huge.png";
  expect_error<UsageError>([&] { check_input(options); }, "--init-img", "19968x19968", "--W");
  options.W = 512;
  EXPECT_NO_THROW(check_input(options));
}

TEST(CheckInput, AMissingPictureAndOneThatIsNoneAreInputErrors) {
  const test::TempFolder folder;
  DrawOptions options;
  options.input.init_img = folder / "none.png";
  expect_error<IoError>([&] { check_input(options); }, "--init-img", "does not exist");
  test::write_text(folder / "text.png", "no picture");
  options.input.init_img = folder / "text.png";
  expect_error<IoError>([&] { check_input(options); }, "text.png");
}

TEST(CheckSwap, OptionsOfTheOtherModeAreRefused) {
  DrawOptions options;
  options.swap.source = "a cat";
  options.swap.targets = {"a dog"};
  options.swap.cross_steps = {{"", {0, 0.5}}};
  expect_error<UsageError>([&] { check_swap(options, [](const std::string&) {}); }, "--cross-steps",
                           "--mode p2p");
  options.swap.mode = SwapMode::kPromptToPrompt;
  EXPECT_NO_THROW(check_swap(options, [](const std::string&) {}));
  options.swap.tthres = 200;
  expect_error<UsageError>([&] { check_swap(options, [](const std::string&) {}); }, "--tthres",
                           "--mode fork");
  options = {};
  options.swap.source = "a cat";
  options.swap.targets = {"a dog"};
  options.swap.cross_box = {"cat"};
  expect_error<UsageError>([&] { check_swap(options, [](const std::string&) {}); }, "--cross-box",
                           "--mode p2p");
}

TEST(CheckSwap, BlendSettingsWithoutABlendAreRefused) {
  DrawOptions options;
  options.swap.source = "a cat";
  options.swap.targets = {"a dog"};
  options.swap.blend_threshold = 0.5;
  expect_error<UsageError>([&] { check_swap(options, [](const std::string&) {}); },
                           "--blend-threshold", "--mode p2p");
  options.swap.mode = SwapMode::kPromptToPrompt;
  expect_error<UsageError>([&] { check_swap(options, [](const std::string&) {}); },
                           "--blend-threshold", "--local-blend");
  options.swap.blend_threshold.reset();
  options.swap.blend_res = 32;
  expect_error<UsageError>([&] { check_swap(options, [](const std::string&) {}); }, "--blend-res",
                           "--local-blend");
  options.swap.blend_threshold = 0.5;
  options.swap.blend_start = 0.1;
  options.swap.local_blend = {"cat"};
  EXPECT_NO_THROW(check_swap(options, [](const std::string&) {}));
}

TEST(CheckSwap, PromptToPromptNeedsASource) {
  DrawOptions options;
  options.swap.mode = SwapMode::kPromptToPrompt;
  options.swap.targets = {"a dog"};
  expect_error<UsageError>([&] { check_swap(options, [](const std::string&) {}); }, "--sprompt");
}

}  // namespace
}  // namespace sd::cli
