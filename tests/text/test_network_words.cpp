#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/network_words.h"

namespace sd {
namespace {

std::string complaint(const std::string& text) {
  try {
    parse_network_words(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

TEST(NetworkWords, TakeTheWeightsByPlaceOrByName) {
  EXPECT_EQ(parse_network_words("ink"), NetworkWords{.name = "ink"});
  EXPECT_EQ(parse_network_words("ink:0.8"),
            (NetworkWords{.name = "ink", .text_encoder = 0.8, .unet = 0.8}));
  EXPECT_EQ(parse_network_words("ink:-1:+0.5"),
            (NetworkWords{.name = "ink", .text_encoder = -1, .unet = 0.5}));
  EXPECT_EQ(parse_network_words("ink:unet=2:te=0"),
            (NetworkWords{.name = "ink", .text_encoder = 0, .unet = 2}));
  EXPECT_EQ(parse_network_words("ink:te=0.5").unet, 0.5);  // the UNet as the text encoder
}

TEST(NetworkWords, ANameMayBeAPathWithColons) {
  EXPECT_EQ(parse_network_words("dir:a/b c.safetensors:0.5").name, "dir:a/b c.safetensors");
  EXPECT_EQ(parse_network_words("a=b/ink.safetensors").name, "a=b/ink.safetensors");
  EXPECT_EQ(parse_network_words("0.5").name, "0.5");
}

TEST(NetworkWords, SeventeenBlocksAreThoseWithAttention) {
  const auto blocks = parse_network_words("x:lbw=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17").blocks;
  const std::vector<double> expected = {1, 0, 2, 3, 0, 4,  5,  0,  6,  7,  0,  0,  0,
                                        8, 0, 0, 0, 9, 10, 11, 12, 13, 14, 15, 16, 17};
  EXPECT_EQ(blocks, expected);
}

TEST(NetworkWords, PresetsNameWeightsOfBlocks) {
  const auto outs = parse_network_words("x:1:lbw=OUTS").blocks;
  EXPECT_EQ(outs, parse_network_words("x:lbw=1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1").blocks);
  EXPECT_EQ(outs, parse_network_words("x:1:OUTS").blocks);  // the extension's older way
  EXPECT_EQ(parse_network_words("x:lbw=ALL0.5").blocks[0], 0.5);
}

TEST(NetworkWords, StepsCountFromOneAndStopIsTheFirstWithout) {
  const auto words = parse_network_words("x:step=3-5");
  EXPECT_FALSE(words.steps.are_all());
  std::string acts;
  for (int step = 0; step < 6; ++step) acts += words.steps.contain(step, 6) ? '1' : '0';
  EXPECT_EQ(acts, "001100");
  EXPECT_TRUE(parse_network_words("x:0.5").steps.are_all());
}

TEST(NetworkWords, StepsBelowOneAreShares) {
  const auto words = parse_network_words("x:start=0.5");
  EXPECT_FALSE(words.steps.contain(9, 20));
  EXPECT_TRUE(words.steps.contain(10, 20));
  EXPECT_FALSE(parse_network_words("x:stop=0").steps.contain(0, 20));
}

TEST(NetworkWords, SayWhatIsWrong) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "names no LoRA"},
           {":1", "names no LoRA"},
           {"x:unte=1", "Did you mean 'unet'?"},
           {"x:te=a", "'a' for te, which is no number"},
           {"x:te=nan", "'nan' for te"},
           {"x:1:1:8", "a third number, 8"},
           {"x:lbw=OUTAL", "Did you mean 'OUTALL'?"},
           {"x:lbw=1,2", "2 weights of blocks, expected 17 or 26"},
           {"x:lbw=1,1,1,1,1,1,1,1,1,1,1,1", "SDXL"},
           {"x:lbw=R,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "random ones cannot be repeated"},
           {"x:step=3", "expected step=A-B"},
           {"x:start=-1", "expected a step"},
           {"x:start=1.5", "expected a step"}}) {
    EXPECT_NE(complaint(text).find(why), std::string::npos) << text << ": " << complaint(text);
  }
}

}  // namespace
}  // namespace sd
