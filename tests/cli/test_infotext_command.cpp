// Commands guessed from what other programs write.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "cli/record/infotext_command.h"

namespace sd::cli {
namespace {

std::map<std::string, std::string> options_of(const GuessedCommand& guess) {
  std::map<std::string, std::string> options;
  for (const auto& [name, value] : guess.command.options) options[name] = value.value_or("");
  return options;
}

bool notes_say(const GuessedCommand& guess, std::string_view part) {
  return std::ranges::any_of(guess.notes,
                             [&](const auto& note) { return note.find(part) != note.npos; });
}

TEST(InfotextCommand, OfTheWebUi) {
  const auto guess = command_of_infotext(
      "a (red:1.2) apple\nNegative prompt: blurry, text\n"
      "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 3141592653, Size: "
      "512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Clip skip: 2, Version: "
      "v1.10.1");
  EXPECT_EQ(guess.command.name, "txt2img");
  const std::map<std::string, std::string> expected = {{"prompt", "a (red:1.2) apple"},
                                                       {"negative-prompt", "blurry, text"},
                                                       {"prompt-syntax", "a1111"},
                                                       {"steps", "20"},
                                                       {"sampler", "dpm++_2m"},
                                                       {"scheduler", "karras"},
                                                       {"scale", "7"},
                                                       {"seed", "3141592653"},
                                                       {"W", "512"},
                                                       {"H", "768"},
                                                       {"clip-skip", "2"},
                                                       {"n_samples", "1"},
                                                       {"n_iter", "1"},
                                                       {"rng", "cuda"}};
  EXPECT_EQ(options_of(guess), expected);
  EXPECT_TRUE(notes_say(guess, "v1-5-pruned-emaonly (hash 6ce0161689): add --ckpt"));
  EXPECT_TRUE(notes_say(guess, "a GPU's"));
  EXPECT_TRUE(notes_say(guess, "may differ"));
}

TEST(InfotextCommand, TakesWhatIsFasterAndNotExact) {
  const auto guess = command_of_infotext(
      "x\nSteps: 20, Seed: 1, Size: 64x64, CFG interval: \"0.2:0.8\", DeepCache: 3, "
      "Token merging ratio: 0.4");
  EXPECT_EQ(options_of(guess).at("guidance-interval"), "0.2:0.8");
  EXPECT_EQ(options_of(guess).at("deepcache"), "3");
  EXPECT_EQ(options_of(guess).at("tome"), "0.4");
  // The web UI merges up to nine of ten.
  const auto most =
      command_of_infotext("x\nSteps: 20, Seed: 1, Size: 64x64, Token merging ratio: 0.9");
  EXPECT_FALSE(options_of(most).contains("tome"));
  EXPECT_TRUE(notes_say(most, "Token merging ratio: 0.9 cannot be used here"));
}

TEST(InfotextCommand, TakesWhatIsAddedToGuidance) {
  const auto guess = command_of_infotext(
      "x\nSteps: 20, Seed: 1, Size: 64x64, Noise Schedule: Zero Terminal SNR, Timestep spacing: "
      "trailing, PAG Scale: 3, PAG layers: \"mid,up.0\", FreeU: \"1.5:1.6:0.9:0.2\", Mimic scale: "
      "7, APG: \"0:15:-0.5\", SEG Blur Sigma: inf");
  const auto options = options_of(guess);
  EXPECT_TRUE(options.contains("zero-terminal-snr"));
  EXPECT_EQ(options.at("timesteps"), "trailing");
  EXPECT_EQ(options.at("pag"), "3");
  EXPECT_EQ(options.at("pag-layers"), "mid,up.0");
  EXPECT_EQ(options.at("freeu"), "1.5:1.6:0.9:0.2");
  EXPECT_EQ(options.at("dynamic-threshold"), "7");
  EXPECT_EQ(options.at("apg"), "0:15:-0.5");
  EXPECT_EQ(options.at("seg-sigma"), "inf");
  EXPECT_TRUE(notes_say(command_of_infotext("x\nSteps: 20, Seed: 1, Noise Schedule: Odd"),
                        "Noise Schedule: Odd cannot be used here"));
}

TEST(InfotextCommand, OlderOnesNameTheScheduleWithTheSampler) {
  const auto guess = command_of_infotext(
      "x\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 512x512, RNG: CPU");
  EXPECT_EQ(options_of(guess).at("sampler"), "dpm++_2m");
  EXPECT_EQ(options_of(guess).at("scheduler"), "karras");
  EXPECT_EQ(options_of(guess).at("rng"), "cpu");
}

TEST(InfotextCommand, VariationsAndPicturesToStartFrom) {
  const auto guess = command_of_infotext(
      "x\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Variation seed: 9, "
      "Variation seed strength: 0.3, Denoising strength: 0.6");
  EXPECT_EQ(guess.command.name, "img2img");
  EXPECT_EQ(options_of(guess).at("variation"), "9:0.3");
  EXPECT_EQ(options_of(guess).at("strength"), "0.6");
  EXPECT_TRUE(notes_say(guess, "--init-img FILE"));
}

TEST(InfotextCommand, WhatCannotBeUsedIsNoted) {
  const auto guess = command_of_infotext(
      "<lora:x:1> a cat\nSteps: 0, Sampler: Magic 9, CFG scale: abc, Seed: 5, Size: 500x10x3, "
      "Hires "
      "upscale: 2, Clip skip: 99");
  const auto options = options_of(guess);
  for (const char* name : {"steps", "sampler", "scale", "W", "H", "clip-skip"}) {
    EXPECT_FALSE(options.contains(name)) << name;
  }
  for (const char* part :
       {"Steps: 0", "there is no Magic 9", "CFG scale: abc", "500x10x3",
        "not used: Hires upscale: 2", "such as <lora:name:1>", "Clip skip: 99"}) {
    EXPECT_TRUE(notes_say(guess, part)) << part;
  }
}

TEST(InfotextCommand, ASecondPassIsNoPictureToStartFrom) {
  const auto guess = command_of_infotext(
      "a small boat\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: "
      "1234, "
      "Size: 512x512, Denoising strength: 0.45, Hires upscale: 2, Hires steps: 10, Hires upscaler: "
      "Latent");
  EXPECT_EQ(guess.command.name, "txt2img");
  EXPECT_FALSE(options_of(guess).contains("strength"));
  EXPECT_TRUE(notes_say(guess,
                        "not used: Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent, "
                        "Denoising strength: 0.45"));
  EXPECT_FALSE(notes_say(guess, "--init-img"));
}

TEST(InfotextCommand, ASecondPassOfOtherSpellingsIsOneToo) {
  const auto sdnext = command_of_infotext(
      "x\nSteps: 20, Seed: 1, Size: 512x512, HiRes upscaler: Latent, Denoising strength: 0.3");
  EXPECT_EQ(sdnext.command.name, "txt2img");
  const auto old = command_of_infotext(
      "x\nSteps: 20, Seed: 1, Size: 1024x1024, Denoising strength: 0.7, First pass size: 512x640");
  EXPECT_EQ(old.command.name, "txt2img");
  EXPECT_EQ(options_of(old).at("W"), "512");
  EXPECT_EQ(options_of(old).at("H"), "640");
}

TEST(InfotextCommand, AMaskTellsOfAPictureToStartFromWhateverElseIsSaid) {
  const auto guess = command_of_infotext(
      "x\nSteps: 20, Seed: 1, Size: 512x512, Denoising strength: 0.3, Mask blur: 4, Hires upscale: "
      "2");
  EXPECT_EQ(guess.command.name, "img2img");
  EXPECT_EQ(options_of(guess).at("strength"), "0.3");
}

TEST(InfotextCommand, ASizeThatCannotBeDrawnIsTheNearest) {
  const std::vector<std::array<std::string, 3>> all = {{"600x904", "576", "896"},
                                                       {"512x544", "512", "576"},
                                                       {"10x9000", "64", "4096"},
                                                       {"768 x 512", "", ""}};
  for (const auto& [size, width, height] : all) {
    const auto guess = command_of_infotext("x\nSteps: 20, Seed: 1, Size: " + size);
    const auto options = options_of(guess);
    EXPECT_EQ(options.contains("W") ? options.at("W") : "", width) << size;
    EXPECT_EQ(options.contains("H") ? options.at("H") : "", height) << size;
    EXPECT_TRUE(notes_say(guess, "Size: " + size + " cannot be drawn")) << size;
  }
}

TEST(InfotextCommand, SeedsReachToTheLastOfTorch) {
  EXPECT_EQ(options_of(command_of_infotext("x\nSteps: 2, Seed: 18446744073709551615, Size: 64x64"))
                .at("seed"),
            "18446744073709551615");
  EXPECT_FALSE(
      options_of(command_of_infotext("x\nSteps: 2, Seed: 18446744073709551616, Size: 64x64"))
          .contains("seed"));
}

TEST(InfotextCommand, WholeNumbersMayHaveAPoint) {
  const auto options = options_of(command_of_infotext("x\nSteps: 30.0, Seed: 7.0, Clip skip: 2"));
  EXPECT_EQ(options.at("steps"), "30");
  EXPECT_EQ(options.at("seed"), "7");
  EXPECT_EQ(options.at("clip-skip"), "2");
}

TEST(RecipeCommand, IsInTheWordsOfThisProgram) {
  const auto guess = command_of_recipe({"Fooocus",
                                        {"a small boat",
                                         "fog",
                                         {{"Steps", "30"},
                                          {"Sampler", "dpmpp_2m_sde_gpu"},
                                          {"Schedule type", "karras"},
                                          {"CFG scale", "4"},
                                          {"Seed", "12345"},
                                          {"Size", "512x768"},
                                          {"Model", "some_model"},
                                          {"RNG", "CPU"},
                                          {"sharpness", "2"}}},
                                        {"one more thing"}},
                                       {64, 64});
  const std::map<std::string, std::string> expected = {{"prompt", "a small boat"},
                                                       {"negative-prompt", "fog"},
                                                       {"prompt-syntax", "a1111"},
                                                       {"steps", "30"},
                                                       {"sampler", "dpm++_2m_sde"},
                                                       {"scheduler", "karras"},
                                                       {"scale", "4"},
                                                       {"seed", "12345"},
                                                       {"W", "512"},
                                                       {"H", "768"},
                                                       {"n_samples", "1"},
                                                       {"n_iter", "1"},
                                                       {"rng", "cpu"}};
  EXPECT_EQ(options_of(guess), expected);
  for (const char* part :
       {"one more thing", "some_model", "not used: sharpness: 2", "metadata of Fooocus"}) {
    EXPECT_TRUE(notes_say(guess, part)) << part;
  }
}

TEST(RecipeCommand, WithoutASizeIsOfThePictures) {
  const auto guess =
      command_of_recipe({"NovelAI", {"{{boats}}", "", {{"Steps", "2"}}}, {}}, {832, 600});
  const auto options = options_of(guess);
  EXPECT_EQ(options.at("W"), "832");
  EXPECT_EQ(options.at("H"), "576");
  EXPECT_EQ(options.at("prompt-syntax"), "plain");  // its braces are no brackets of the web UI's
  EXPECT_TRUE(notes_say(guess, "weights of words"));
  EXPECT_TRUE(notes_say(guess, "the picture's own"));
}

TEST(InfotextCommand, OfNoInfotextIsThePromptAlone) {
  const auto guess = command_of_infotext("just a caption");
  EXPECT_EQ(options_of(guess).at("prompt"), "just a caption");
  EXPECT_TRUE(notes_say(guess, "the sampler is not told"));
}

TEST(InfotextCommand, OursTellOfBatchesAndSwaps) {
  const auto guess = command_of_infotext(
      "a dog\nSteps: 4, Sampler: DDIM, CFG scale: 7.5, Seed: 42, Size: 128x128, Model: tiny, Batch "
      "size: "
      "3, Batch pos: 2, Source prompt: a cat, Version: sd 0.1.0");
  EXPECT_EQ(guess.command.name, "swap");
  const auto options = options_of(guess);
  EXPECT_EQ(options.at("sprompt"), "a cat");
  EXPECT_EQ(options.at("n_samples"), "3");
  EXPECT_FALSE(options.contains("rng"));
  EXPECT_TRUE(notes_say(guess, "sample 2 of a batch of 3"));
}

}  // namespace
}  // namespace sd::cli
