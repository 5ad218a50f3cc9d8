// `sd invert` and swaps along its files, through the binary on the tiny model.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/invert_fixture.h"
#include "sd/weights/inversion_file.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::contains;
using test::InvertBinary;
using test::sloped_pattern;
using Names = std::vector<std::string>;

TEST_F(InvertBinary, APictureIsInvertedAndWhatIsKeptOfItSaid) {
  const auto again = run.path("again.png").string();
  const auto finished = invert({"--reconstruct", again, "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = json::parse(finished.lines().front());
  EXPECT_EQ(line.at("kind"), "inverted");
  EXPECT_EQ(line.at("path"), file);
  EXPECT_EQ(line.at("method"), "direct");
  EXPECT_EQ(line.at("steps"), 3);
  EXPECT_EQ(line.at("unet_calls"), 3);
  EXPECT_EQ(line.at("width"), 128);
  EXPECT_EQ(line.at("psnr"), line.at("autoencoder_psnr"));
  EXPECT_EQ(read_image(again).width, 128);
  EXPECT_EQ(read_inversion(file).prompt, "a cat");

  const auto info = test::run_sd({"info", "--json", file});
  ASSERT_EQ(info.code, 0) << info.err;
  const auto told = json::parse(info.out);
  EXPECT_EQ(told.at("kind"), "inversion");
  EXPECT_EQ(told.at("prompt"), "a cat");
  EXPECT_EQ(told.at("model"), "tiny-v1");
  EXPECT_EQ(told.at("height"), 64);
  EXPECT_TRUE(contains(invert().err, "not overwritten"));
}

TEST_F(InvertBinary, DdimsReconstructionIsNotWhatTheAutoencoderMakes) {
  const auto finished =
      invert({"--method", "ddim", "--reconstruct", run.path("again.png").string(), "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = json::parse(finished.lines().front());
  EXPECT_NE(line.at("psnr"), line.at("autoencoder_psnr"));
}

TEST_F(InvertBinary, EditsOfAFileAreThoseOfThePictureInvertedAtOnce) {
  for (const char* method : {"direct", "edit-friendly"}) {
    const auto of = run.path(std::string(method) + ".inv.safetensors").string();
    ASSERT_EQ(command("invert",
                      {start, "--prompt", "a cat", "--method", method, "-o", of, "--steps", "4"})
                  .code,
              0);
    const auto by_file = swap({"--inversion", of, "--prompt", "a dog", "--json"});
    ASSERT_EQ(by_file.code, 0) << by_file.err;
    const auto line = test::image_lines(by_file).front();
    EXPECT_EQ(line.at("steps"), 4);
    EXPECT_EQ(line.at("inversion").at("method"), method);
    EXPECT_EQ(line.at("inversion").at("file"), std::string(method) + ".inv.safetensors");
    EXPECT_EQ(line.at("inversion").at("hash").get<std::string>().size(), 10u);
    EXPECT_EQ(line.at("swap").at("source"), "a cat");
    ASSERT_EQ(swap({"--init-img", start, "--invert", method, "--sprompt", "a cat", "--prompt",
                    "a dog", "--steps", "4"})
                  .code,
              0);
    const auto names = run.samples();
    EXPECT_EQ(run.sample(names[names.size() - 2]).pixels, run.sample(names.back()).pixels)
        << method;
  }
}

TEST_F(InvertBinary, APictureWithoutStrengthIsInvertedDirectlyWhereItsAttentionIsTaken) {
  const Names common = {"--init-img", start,   "--sprompt", "a cat",
                        "--prompt",   "a dog", "--steps",   "3"};
  const auto with = [&](const Names& more) {
    auto arguments = common;
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto finished = swap(arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    const auto names = run.samples();
    return std::pair(run.sample(names.back()).pixels, finished.err);
  };
  const auto plain = with({}).first;
  EXPECT_EQ(plain, with({"--invert", "direct"}).first);
  EXPECT_NE(plain, with({"--strength", "1"}).first);
  const auto mask = picture("mask.png", sloped_pattern(128, 64, 1));
  const Names graded = {"--edit-mask", mask, "--mask-mode", "graded"};
  auto directly = graded;
  directly.insert(directly.end(), {"--invert", "direct"});
  EXPECT_EQ(with(graded).first, with(directly).first);
  const auto [noisy, said] = with({"--sampler", "euler_a"});
  EXPECT_TRUE(contains(said, "cannot follow an inverted picture")) << said;
  EXPECT_EQ(noisy, with({"--sampler", "euler_a", "--strength", "0.75"}).first);
  for (const char* way : {"--masactrl", "--pnp"}) {
    const auto shared = with({"--mode", "none", way}).first;
    EXPECT_EQ(shared, with({"--mode", "none", way, "--invert", "direct"}).first) << way;
    EXPECT_NE(shared, with({"--mode", "none", way, "--strength", "0.75"}).first) << way;
  }
  // The fork's mode is the original's.
  EXPECT_EQ(with({"--mode", "fork"}).first, with({"--mode", "fork", "--strength", "0.75"}).first);
}

TEST_F(InvertBinary, ManyEditsUseOneInversion) {
  ASSERT_EQ(invert().code, 0);
  const auto list = run.file("edits.txt", "a dog\na fox\n");
  const auto finished = swap({"--inversion", file, "--from-file", list, "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(test::image_lines(finished).size(), 4u);
  ASSERT_EQ(swap({"--inversion", file, "--prompt", "a fox"}).code, 0);
  const auto tasks =
      run.file("tasks.jsonl", "{\"prompt\": \"a dog\"}\n{\"prompt\": \"a fox\", \"seed\": 3}\n");
  ASSERT_EQ(swap({"--inversion", file, "--from-file", tasks}).code, 0);
  EXPECT_EQ(run.samples().size(), 5u);
  EXPECT_EQ(run.sample("00004.png").pixels, run.sample("00002.png").pixels);
}

TEST_F(InvertBinary, APictureSaysHowToDrawItAgain) {
  ASSERT_EQ(invert({"--method", "npi"}).code, 0);
  const auto drawn = swap(
      {"--inversion", file, "--prompt", "a dog", "--proximal", "0.5", "--proximal-norm", "l1"});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_EQ(drawn_again(0), bytes(run.sample_path(0)));
}

TEST_F(InvertBinary, NullTextOptimisationIsResumedWhereItsFileIsOfTheSame) {
  const Names null_text = {"--method", "null-text", "--steps", "2", "--resume"};
  ASSERT_EQ(invert(null_text).code, 0);
  const auto whole = bytes(file);
  EXPECT_EQ(read_inversion(file).unconditional.shape[0], 2);
  ASSERT_EQ(invert(null_text).code, 0);
  EXPECT_EQ(bytes(file), whole);
  Names another = {start, "--prompt", "a fox", "-o", file};
  another.insert(another.end(), null_text.begin(), null_text.end());
  const auto finished = command("invert", another);
  EXPECT_EQ(finished.code, 2);
  EXPECT_TRUE(contains(finished.err, "another picture, prompt")) << finished.err;
  EXPECT_EQ(bytes(file), whole);
  const auto drawn = swap({"--inversion", file, "--prompt", "a dog"});
  EXPECT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_TRUE(contains(invert({"--resume"}).err, "--resume"));
}

TEST_F(InvertBinary, ConsistentEditsNeedNoInversion) {
  const auto finished =
      swap({"--init-img", start, "--invert", "ddcm", "--sampler", "lcm", "--scale", "2", "--steps",
            "3", "--sprompt", "a cat", "--prompt", "a dog"});
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(InvertBinary, WhatDoesNotFitAFileIsRefused) {
  ASSERT_EQ(invert().code, 0);
  const auto refused = [&](const Names& more, const char* part, int code = 2) {
    Names arguments = {"--prompt", "a dog"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto finished = swap(arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  };
  const auto with_file = [&](Names more, const char* part) {
    more.insert(more.begin(), {"--inversion", file});
    refused(more, part);
  };
  with_file({"--init-img", picture("other.png", sloped_pattern(128, 64, 4))}, "another picture");
  with_file({"--W", "64", "--H", "64"}, "--W 64");
  with_file({"--steps", "5"}, "invert the picture again");
  with_file({"--sampler", "euler"}, "noise levels");
  with_file({"--sampler", "euler_a"}, "--sampler euler_a");
  with_file({"--sprompt", "a fox"}, "was inverted with 'a cat'");
  with_file({"--strength", "0.5"}, "--strength");
  with_file({"--invert", "edit-friendly"}, "--invert edit-friendly");
  with_file({"--invert", "ddim", "--proximal", "0.3"}, "--proximal");
  with_file({"--invert", "ddim", "--proximal-norm", "l1"}, "--proximal-norm");
  with_file({"--invert", "npi", "--proximal", "0", "--proximal-norm", "l1"}, "--proximal 0");
  with_file({"--invert", "npi", "--negative-prompt", "ugly"}, "--negative-prompt");
  with_file({"--invert", "npi", "--negative-prompt", "ugly", "--dry-run"}, "--negative-prompt");
  with_file({"--ckpt", SD_TEST_DATA "/tiny-v1-diffusers"}, "was made with the model tiny-v1");
  refused({"--inversion", run.path("none").string()}, "none", 5);
  refused({"--inversion", start}, "start.png", 4);
  refused({"--invert", "direct", "--sprompt", "a cat"}, "--init-img");
  const auto whole = bytes(file);
  refused({"--inversion", run.file("cut.inv.safetensors", whole.substr(0, whole.size() / 2))},
          "cut.inv.safetensors", 4);
}

TEST_F(InvertBinary, WhatCannotBeInvertedIsSaid) {
  const auto refused = [&](const Names& arguments, const char* part, int code = 2) {
    const auto finished = command("invert", arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  };
  refused({"--prompt", "a cat"}, "name the picture");
  refused({start}, "--prompt");
  refused({start, "--prompt", "a cat", "--source-scale", "7.5"}, "guidance 1");
  refused({start, "--prompt", "a cat", "--sampler", "euler_a"}, "--sampler euler_a");
  refused({start, "--prompt", "a cat", "--method", "npi", "--sampler", "euler"}, "ddim");
  refused({start, "--prompt", "a cat", "--method", "ddcm"}, "--method");
  refused({"none.png", "--prompt", "a cat"}, "none.png", 5);
  refused({start, "--prompt", "a cat", "-o", run.path("no/a.inv.safetensors")}, "does not exist",
          5);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(InvertBinary, GuidesMoveTargetsOfAnInvertedPictureAndNotTheSource) {
  ASSERT_EQ(invert().code, 0);
  for (const Names& guide : {Names{}, {"--box", "dog=0,0,0.5,1", "--box-scale", "300"}}) {
    Names arguments = {"--inversion", file, "--prompt", "a dog"};
    arguments.insert(arguments.end(), guide.begin(), guide.end());
    const auto drawn = swap(arguments);
    ASSERT_EQ(drawn.code, 0) << drawn.err;
  }
  const auto source = [&](const char* name) {
    return read_image(run.outdir() / "source" / name).pixels;
  };
  EXPECT_EQ(source("00001.png"), source("00000.png"));
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
}

}  // namespace
}  // namespace sd
