// What is added to a model that pictures are inverted with: LoRAs, control nets, followed pictures.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/invert_fixture.h"
#include "sd/weights/inversion_file.h"
#include "support/ip_adapter_files.h"
#include "support/tiny_adapter.h"

namespace sd {
namespace {

using nlohmann::json;
using test::contains;
using test::InvertBinary;
using test::sloped_pattern;
using Names = std::vector<std::string>;

TEST_F(InvertBinary, LorasOfTheModelAreKeptAndAskedForWhereItIsDrawn) {
  const std::string folder = SD_TEST_DATA "/networks/";
  const auto ink = folder + "ink.safetensors", line = folder + "line.safetensors";
  ASSERT_EQ(invert({"--lora", ink + ":0.5", "--method", "npi"}).code, 0);
  const auto kept = read_inversion(file).networks;
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].name, "ink");
  EXPECT_EQ(kept[0].weights, "te=0.5 unet=0.5");
  const auto drawn = [&](const Names& more) {
    Names arguments = {"--inversion", file, "--prompt", "a dog"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return swap(arguments);
  };
  const auto same = drawn({"--lora", ink + ":0.5"});
  EXPECT_EQ(same.code, 0) << same.err;
  for (const Names& other : {Names{},
                             {"--lora", ink},
                             {"--lora", line + ":0.5"},
                             {"--lora", ink + ":0.5", "--lora", line}}) {
    const auto refused = drawn(other);
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_TRUE(contains(refused.err, "inverted with ink (te=0.5 unet=0.5")) << refused.err;
  }
  const auto some = drawn({"--lora", ink + ":0.5", "--target-lora", line});
  EXPECT_EQ(some.code, 2);
  EXPECT_TRUE(contains(some.err, "some prompts or steps")) << some.err;
  EXPECT_EQ(drawn({"--lora", ink + ":0.5", "--lora", line, "--invert", "direct"}).code, 0);
  const auto late = invert({"--lora", ink + ":start=2", "-o", run.path("late").string()});
  EXPECT_EQ(late.code, 2);
  EXPECT_TRUE(contains(late.err, "start=")) << late.err;
}

TEST_F(InvertBinary, NetsOfAnInversionAreKeptAndAskedForWhereItIsDrawn) {
  const auto net = run.file("sketch.safetensors", test::tiny_adapter_file());
  const auto other = picture("other.png", sloped_pattern(128, 64, 4));
  ASSERT_EQ(invert({"--control", net + ":" + start + ":0.5", "--method", "ddim", "--reconstruct",
                    run.path("again.png").string()})
                .code,
            0);
  const auto told = json::parse(test::run_sd({"info", "--json", file}).out);
  const auto& kept = told.at("controls").at(0);
  EXPECT_EQ(kept.at("name"), "sketch");
  EXPECT_EQ(kept.at("settings"), "weight=0.5 steps=0:1 mode=balanced resize=crop preprocess=none");
  EXPECT_EQ(kept.at("hash").get<std::string>().size(), 64u);
  EXPECT_EQ(kept.at("picture_sha256"), told.at("picture_sha256"));
  const auto drawn = [&](const Names& more) {
    Names arguments = {"--inversion", file, "--prompt", "a cat"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return swap(arguments);
  };
  const auto same = drawn({"--control", net + ":" + start + ":0.5", "--mode", "none"});
  ASSERT_EQ(same.code, 0) << same.err;
  for (const Names& given : {Names{},
                             {"--control", net + ":" + start},
                             {"--control", net + ":" + other + ":0.5"},
                             {"--control", net + ":" + start + ":0.5", "--control-mode", "prompt"},
                             {"--control", net + ":" + start + ":0.5:0:0.5"}}) {
    const auto refused = drawn(given);
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_TRUE(
        contains(refused.err, "--control: the picture was inverted with sketch (weight=0.5"))
        << refused.err;
  }
  EXPECT_EQ(drawn({"--invert", "direct"}).code, 0);
  const auto null_text = command("invert", {start, "--prompt", "a cat", "--method", "null-text",
                                            "--control", net + ":" + start});
  EXPECT_EQ(null_text.code, 2);
  EXPECT_TRUE(contains(null_text.err, "--control: the gradients")) << null_text.err;
}

TEST_F(InvertBinary, AlongOneMadeWithoutNetsTheyActInTargetsAndThePictureSaysHow) {
  const auto control = run.file("sketch.safetensors", test::tiny_adapter_file()) + ":" + start;
  ASSERT_EQ(invert({"--method", "npi"}).code, 0);
  ASSERT_EQ(swap({"--inversion", file, "--prompt", "a dog"}).code, 0);
  const auto drawn = swap({"--inversion", file, "--prompt", "a dog", "--control", control});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  const auto at_once = swap({"--init-img", start, "--invert", "npi", "--steps", "3", "--sprompt",
                             "a cat", "--prompt", "a dog", "--control", control});
  ASSERT_EQ(at_once.code, 0) << at_once.err;
  const auto source = [&](const char* name) {
    return read_image(run.outdir() / "source" / name).pixels;
  };
  EXPECT_EQ(source("00001.png"), source("00000.png"));
  EXPECT_EQ(source("00002.png"), source("00000.png"));
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_EQ(run.sample("00002.png").pixels, run.sample("00001.png").pixels);

  EXPECT_EQ(drawn_again(1), bytes(run.sample_path(1)));
}

TEST_F(InvertBinary, APictureThatWasFollowedIsKeptAndAskedFor) {
  test::write_tower(run.path("").parent_path());
  const auto adapter =
      run.file("plain.safetensors", test::weights_file(test::adapter_shapes("plain")));
  const auto cat = picture("followed.png", test::followed_picture());
  const auto followed = adapter + ":" + cat + ":0.6";
  ASSERT_EQ(invert({"--method", "edit-friendly", "--ip-adapter", followed}).code, 0);
  EXPECT_EQ(read_inversion(file).image_prompts.front().settings,
            "weight=0.6 steps=0:1 weights=linear");
  const auto drawn = [&](const Names& more) {
    Names arguments = {"--inversion", file, "--prompt", "a dog"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return swap(arguments);
  };
  EXPECT_EQ(drawn({"--ip-adapter", followed}).code, 0);
  for (const Names& given : {Names{},
                             {"--ip-adapter", adapter + ":" + cat},
                             {"--ip-adapter", adapter + ":" + start + ":0.6"},
                             {"--ip-adapter", followed, "--ip-weights", "style"}}) {
    const auto refused = drawn(given);
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_TRUE(contains(refused.err, "--ip-adapter: the picture was inverted with plain ("))
        << refused.err;
  }
}

}  // namespace
}  // namespace sd
