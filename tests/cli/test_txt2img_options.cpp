#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/parser/command_words.h"
#include "cli/parser/draw_parser.h"
#include "cli/plan/draw_plan.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using test::expect_error;
using test::TempFolder;
using test::write_text;

/// Parses as `sd txt2img arguments…` does, without running it.
DrawOptions parse(const std::vector<std::string>& arguments) {
  CLI::App app("", "txt2img");
  DrawOptions options;
  add_draw_options(app, options, kTxt2ImgCommand);
  parse_words(app, app, arguments);
  return options;
}

DrawOptions settle(const DrawOptions& typed) {
  PlanContext context;
  return make_plan(typed, context).options;
}

/// Parses and settles with a checkpoint and an output folder that exist.
DrawOptions parse_and_settle(std::vector<std::string> arguments) {
  const TempFolder folder;
  arguments.insert(arguments.end(),
                   {"--ckpt", SD_TEST_DATA "/tiny-v1.ckpt", "--outdir", folder / "out"});
  return settle(parse(arguments));
}

TEST(DrawOptions, HasTheDefaultsOfTheOriginal) {
  const auto options = parse({});
  EXPECT_EQ(options.prompt, "a painting of a virus monster playing guitar");
  EXPECT_EQ(options.folder(), "outputs/txt2img-samples");
  EXPECT_EQ(options.steps, 50);
  EXPECT_EQ(options.eta, 0);
  EXPECT_EQ(options.n_iter, 2);
  EXPECT_EQ(options.n_samples, 3);
  EXPECT_EQ(options.n_rows, 0);
  EXPECT_EQ(options.guidance_scale, 7.5);
  EXPECT_EQ(options.seed, 42U);
  EXPECT_FALSE(options.plms || options.fixed_code || options.skip_grid || options.skip_save ||
               options.laion400m);
}

TEST(DrawOptions, KnowsEveryArgumentOfTheOriginalInBothSpellings) {
  const auto options = parse({"--prompt",
                              "p",
                              "--outdir",
                              "o",
                              "--skip_grid",
                              "--skip-save",
                              "--ddim-steps",
                              "7",
                              "--plms",
                              "--laion400m",
                              "--fixed-code",
                              "--ddim_eta",
                              "0.5",
                              "--n-iter",
                              "4",
                              "--H",
                              "128",
                              "--W",
                              "192",
                              "--C",
                              "4",
                              "--f",
                              "8",
                              "--n_samples",
                              "5",
                              "--n-rows",
                              "2",
                              "--scale",
                              "1.5",
                              "--from_file",
                              "-",
                              "--config",
                              "c",
                              "--ckpt",
                              "m",
                              "--seed",
                              "9",
                              "--precision",
                              "full"});
  EXPECT_EQ(options.prompt, "p");
  EXPECT_EQ(options.outdir, "o");
  EXPECT_TRUE(options.skip_grid && options.skip_save && options.plms && options.laion400m &&
              options.fixed_code);
  EXPECT_EQ(options.steps, 7);
  EXPECT_EQ(options.eta, 0.5);
  EXPECT_EQ(options.n_iter, 4);
  EXPECT_EQ(options.H, 128);
  EXPECT_EQ(options.W, 192);
  EXPECT_EQ(options.n_samples, 5);
  EXPECT_EQ(options.n_rows, 2);
  EXPECT_EQ(options.guidance_scale, 1.5);
  EXPECT_EQ(options.from_file, "-");
  EXPECT_EQ(options.config, "c");
  EXPECT_EQ(options.ckpt, "m");
  EXPECT_EQ(options.seed, 9U);
  EXPECT_EQ(options.precision, "full");
}

TEST(DrawOptions, KnowsOurOwn) {
  const auto options = parse({"--negative_prompt", "n", "--device", "cuda:1", "--dtype", "bf16",
                              "--rng", "cuda", "--init_latents", "i", "--save-latents", "s",
                              "--threads", "2", "--json", "-q", "-v", "--ema"});
  EXPECT_EQ(options.negative_prompt, "n");
  EXPECT_EQ(options.device.kind, DeviceChoice::Kind::kCuda);
  EXPECT_EQ(options.device.index, 1);
  EXPECT_EQ(options.dtype, DTypeChoice::kBF16);
  EXPECT_EQ(options.rng, RngChoice::kCuda);
  EXPECT_EQ(options.init_latents, "i");
  EXPECT_EQ(options.save_latents, "s");
  EXPECT_EQ(options.threads, 2);
  EXPECT_TRUE(options.json && options.quiet && options.ema);
  EXPECT_EQ(options.verbose, 1);
}

TEST(DrawOptions, TakesPromptsAsTheyAre) {
  EXPECT_EQ(parse({"--prompt", ""}).prompt, "");
  EXPECT_EQ(parse({"--prompt=--seed"}).prompt, "--seed");
  EXPECT_EQ(parse({"--prompt", "[a, b] {} %% = 'x'"}).prompt, "[a, b] {} %% = 'x'");
  EXPECT_EQ(parse({"--prompt", "{}"}).prompt, "{}");
  EXPECT_EQ(parse({"--prompt=a=b"}).prompt, "a=b");
}

TEST(DrawOptions, SeedsAreThoseOfTorch) {
  EXPECT_EQ(parse({"--seed", "18446744073709551615"}).seed, UINT64_MAX);
  EXPECT_EQ(parse({"--seed", "+7"}).seed, 7U);
  EXPECT_FALSE(parse({"--seed", "-1"}).seed);  // a random one
  for (const char* seed : {"18446744073709551616", "-2", "1.5", "+", "0x10"}) {
    expect_error<UsageError>([&] { parse({std::string("--seed=") + seed}); },
                             "from -1 to 18446744073709551615");
  }
}

TEST(DrawOptions, LetsTheLastOfTwoWin) {
  EXPECT_EQ(parse({"--seed", "1", "--seed", "2"}).seed, 2U);
}

TEST(DrawOptions, RejectsUnknownOptionsWithTheNearest) {
  expect_error<UsageError>(
      [] {
        parse({"--ddim_step", "20"});
      },
      "unknown option '--ddim_step'", "Did you mean '--ddim_steps'?");
  expect_error<UsageError>(
      [] {
        parse({"a", "red", "apple"});
      },
      "unexpected argument 'a'", "--prompt");
}

TEST(DrawOptions, RejectsUnknownWordsWithTheNearest) {
  expect_error<UsageError>(
      [] {
        parse({"--dtype", "fp16"});
      },
      "--dtype: 'fp16' is none of auto, f32, bf16, f16", "Did you mean 'f16'?");
  expect_error<UsageError>(
      [] {
        parse({"--precision", "half"});
      },
      "--precision: 'half' is none of full, autocast");
}

TEST(DrawOptions, RejectsNumbersOutOfRange) {
  expect_error<UsageError>(
      [] {
        parse({"--ddim_steps", "0"});
      },
      "--ddim_steps: '0' is not a whole number from 1 to 1000");
  expect_error<UsageError>([] { parse({"--ddim_steps", "1001"}); }, "from 1 to 1000");
  expect_error<UsageError>([] { parse({"--ddim_steps", "5.5"}); }, "'5.5' is not a whole number");
  expect_error<UsageError>([] { parse({"--seed", "-2"}); }, "--seed: '-2'");
  expect_error<UsageError>([] { parse({"--seed", "99999999999999999999"}); }, "--seed");
  expect_error<UsageError>([] { parse({"--n_samples", ""}); }, "--n_samples: ''");
  expect_error<UsageError>(
      [] {
        parse({"--ddim_eta", "1.5"});
      },
      "--ddim_eta: '1.5' is not a number from 0 to 1");
  expect_error<UsageError>([] { parse({"--scale", "nan"}); }, "--scale: 'nan'");
  expect_error<UsageError>([] { parse({"--scale", "inf"}); }, "--scale: 'inf'");
  expect_error<UsageError>(
      [] {
        parse({"--H", "8192"});
      },
      "--H: '8192' is not a whole number from 1 to 4096");
}

TEST(Txt2ImgCheck, AsksForMultiplesOf64) {
  expect_error<UsageError>(
      [] {
        parse_and_settle({"--W", "500"});
      },
      "--W 500: width must be a multiple of 64 (nearest: 512)");
  expect_error<UsageError>(
      [] {
        parse_and_settle({"--H", "500"});
      },
      "--H 500: height must be a multiple of 64 (nearest: 512)");
  expect_error<UsageError>([] { parse_and_settle({"--H", "3"}); }, "(nearest: 64)");
}

TEST(Txt2ImgCheck, RefusesEtaWithPlmsAsTheOriginalDoes) {
  expect_error<UsageError>(
      [] {
        parse_and_settle({"--plms", "--ddim_eta", "0.5"});
      },
      "ddim_eta must be 0 for PLMS");
}

TEST(Txt2ImgCheck, KnowsTheLatentsOfVersion1) {
  expect_error<UsageError>([] { parse_and_settle({"--C", "3"}); }, "--C 3", "4 channels");
  expect_error<UsageError>([] { parse_and_settle({"--f", "4"}); }, "--f 4", "8 pixels");
}

TEST(Txt2ImgCheck, LaionLeavesWhatWasNamedAlone) {
  const auto options = parse_and_settle({"--laion400m"});
  EXPECT_EQ(options.ckpt, SD_TEST_DATA "/tiny-v1.ckpt");
  EXPECT_EQ(options.config, SD_TEST_DATA "/tiny-v1.yaml");  // the one beside it
  EXPECT_EQ(options.outdir->filename(), "out");
}

TEST(Txt2ImgCheck, LaionHasAFolderOfItsOwn) {
  const auto options = settle(parse({"--laion400m", "--ckpt", SD_TEST_DATA "/tiny-v1.ckpt"}));
  EXPECT_EQ(options.outdir, "outputs/txt2img-samples-laion400m");
}

TEST(Txt2ImgCheck, SaysWhereTheLaionModelShouldBe) {
  const auto options = parse({"--laion400m"});
  expect_error<IoError>([&] { settle(options); }, "--laion400m",
                        "models/ldm/text2img-large/model.ckpt is not there");
}

TEST(Txt2ImgCheck, HearsPrecisionAndDtype) {
  EXPECT_EQ(parse_and_settle({"--precision", "full"}).dtype, DTypeChoice::kF32);
  EXPECT_EQ(parse_and_settle({"--precision", "autocast"}).dtype, DTypeChoice::kAuto);
  EXPECT_EQ(parse_and_settle({"--precision", "autocast", "--dtype", "bf16"}).dtype,
            DTypeChoice::kBF16);
  expect_error<UsageError>(
      [] {
        parse_and_settle({"--precision", "full", "--dtype", "bf16"});
      },
      "contradict");
  expect_error<UsageError>(
      [] {
        parse_and_settle({"--precision", "autocast", "--dtype", "f32"});
      },
      "contradict");
}

TEST(Txt2ImgCheck, RefusesPromptsThatAreNoText) {
  expect_error<UsageError>(
      [] {
        parse_and_settle({"--prompt", "a\xFF"});
      },
      "--prompt", "not UTF-8");
  expect_error<UsageError>(
      [] {
        parse_and_settle({"--negative-prompt", "a\xFF"});
      },
      "--negative-prompt");
}

TEST(Txt2ImgCheck, LooksForFilesBeforeLoadingAnything) {
  expect_error<IoError>(
      [] {
        parse_and_settle({"--config", "absent.yaml"});
      },
      "--config: absent.yaml does not exist");
  expect_error<IoError>(
      [] {
        parse_and_settle({"--init-latents", "/"});
      },
      "--init-latents: / is not a file");
}

TEST(Txt2ImgCheck, NeverOverwritesLatents) {
  const TempFolder folder;
  write_text(folder / "latents.npy", "mine");
  expect_error<IoError>(
      [&] {
        parse_and_settle({"--save-latents", folder.path()});
      },
      "latents.npy is there already");
}

}  // namespace
}  // namespace sd::cli
