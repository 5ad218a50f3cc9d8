#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/options/size_option.h"
#include "cli/parser/command_words.h"
#include "cli/parser/draw_parser.h"
#include "cli/parser/given_command.h"
#include "cli/parser/option_synonyms.h"
#include "cli/parser/typed_names.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

using test::expect_error;
using Words = std::vector<std::string>;

std::vector<GivenOption> given(const std::string& name, const Words& words) {
  CLI::App app;
  const std::vector<Command> commands = {add_txt2img(app), add_img2img(app), add_swap(app)};
  auto& command = *app.get_subcommand(name);
  parse_words(app, command, words);
  return given_command(command).options;
}

TEST(OptionSynonyms, MeanTheOptionAndArePassedOnUnderItsName) {
  const std::vector<std::pair<Words, GivenOption>> cases = {
      {{"-p", "a cat"}, {"prompt", "a cat"}},
      {{"--neg_prompt", "fog"}, {"negative-prompt", "fog"}},
      {{"--num_inference_steps", "7"}, {"ddim_steps", "7"}},
      {{"--num-inference-steps=7"}, {"ddim_steps", "7"}},
      {{"--guidance_scale", "3"}, {"scale", "3"}},
      {{"--cfg-scale", "3"}, {"scale", "3"}},
      {{"--sampling-method", "euler_a"}, {"sampler", "euler_a"}},
      {{"--model", "x.ckpt"}, {"ckpt", "x.ckpt"}},
      {{"-m", "x.ckpt"}, {"ckpt", "x.ckpt"}},
      {{"-o", "out"}, {"outdir", "out"}},
      {{"--output", "out"}, {"outdir", "out"}},
      {{"-W", "512"}, {"W", "512"}},
      {{"-H", "512"}, {"H", "512"}},
      {{"--batch-count", "2"}, {"n_iter", "2"}},
      {{"--batch_size", "2"}, {"n_samples", "2"}},
      {{"-S", "9"}, {"seed", "9"}},
      {{"-t", "2"}, {"threads", "2"}},
      {{"--type", "f16"}, {"dtype", "f16"}},
  };
  for (const auto& [words, expected] : cases) {
    SCOPED_TRACE(words.front());
    EXPECT_EQ(given("txt2img", words), std::vector{expected});
  }
  EXPECT_EQ(given("img2img", {"-i", "a.png", "--denoising_strength", "0.5"}),
            (std::vector<GivenOption>{{"init-img", "a.png"}, {"strength", "0.5"}}));
}

TEST(OptionSynonyms, AreNotShownAmongTheNames) {
  CLI::App app;
  const auto command = add_txt2img(app);
  const auto names = [&](const char* option) {
    return outline_of(*command.parser->get_option(option));
  };
  EXPECT_EQ(shown_names(names("--steps")), (Words{"--ddim_steps", "--steps"}));
  EXPECT_EQ(shown_names(names("--W")), (Words{"--W", "--width"}));
  EXPECT_EQ(other_names(names("--W")), Words{"-W"});
  EXPECT_EQ(shown_names(names("--scale")), (Words{"--scale", "--cfg_scale"}));
  EXPECT_EQ(shown_names(names("--quiet")), (Words{"--quiet", "-q"}));
}

TEST(OptionSynonyms, OfEveryRowBelongToAnOption) {
  CLI::App app;
  const std::vector<Command> commands = {add_txt2img(app), add_img2img(app), add_swap(app),
                                         add_attn(app)};
  const auto& img2img = *commands[1].parser;
  for (const char* name : {"-p", "-A", "-S", "-W", "-H", "-i", "-I", "-m", "-t", "-o", "--taesd",
                           "--output_format", "--noise_seed", "--prompts_file"}) {
    EXPECT_NE(img2img.get_option_no_throw(name), nullptr) << name;
  }
}

TEST(SizeOption, IsBothSidesAtOnce) {
  EXPECT_EQ(given("txt2img", {"--size", "512x768"}),
            (std::vector<GivenOption>{{"W", "512"}, {"H", "768"}}));
  EXPECT_EQ(given("txt2img", {"--size", "640"}),
            (std::vector<GivenOption>{{"W", "640"}, {"H", "640"}}));
}

TEST(SizeOption, YieldsToASide) {
  CLI::App app("", "txt2img");
  DrawOptions options;
  add_draw_options(app, options, kTxt2ImgCommand);
  parse_words(app, app, {"--size", "512x768", "--W", "640"});
  EXPECT_EQ(options.W, 640);
  EXPECT_EQ(options.H, 768);
  EXPECT_EQ(given_command(app).options, (std::vector<GivenOption>{{"W", "640"}, {"H", "768"}}));
}

TEST(SizeOption, RejectsWhatIsNoSize) {
  for (const char* text : {"", "512x", "x512", "512 768", "5000", "512x768x3", "large"}) {
    SCOPED_TRACE(text);
    expect_error<UsageError>([&] { parse_size(text); }, "--size", "512x768");
  }
}

TEST(Outdir, IsNoPicture) {
  expect_error<UsageError>(
      [] {
        given("txt2img", {"-o", "pictures/cat.png"});
      },
      "-o: 'pictures/cat.png'", "-o pictures --name cat");
  expect_error<UsageError>([] { given("txt2img", {"--output", "cat.webp"}); }, "--format webp");
}

TEST(TypedNames, ReplaceWholeNamesAlone) {
  const TypedNames typed = {{{"--W", "--width"}, "-W"}, {{"--ddim_steps", "--steps"}, "--steps"}};
  EXPECT_EQ(respelled("--W 100: width, not --Who or a--W, nor --W-x", typed),
            "-W 100: width, not --Who or a--W, nor --W-x");
  EXPECT_EQ(respelled("give --ddim_steps (--steps)", typed), "give --steps (--steps)");
  EXPECT_EQ(respelled("", typed), "");
}

}  // namespace
}  // namespace sd::cli
