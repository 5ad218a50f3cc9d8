#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/parser/command_words.h"
#include "cli/parser/given_command.h"
#include "cli/tasks/task_parser.h"
#include "sd/core/error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using Words = std::vector<std::string>;

/// The commands beside each other, as in the program.
struct Program {
  CLI::App app;
  std::vector<Command> commands = {add_txt2img(app), add_img2img(app), add_swap(app),
                                   add_attn(app),    add_info(app),    add_convert(app),
                                   add_samplers(app)};

  CLI::App& parse(const Words& words) {
    auto& command = *app.get_subcommand(words.front());
    parse_words(app, command, {words.begin() + 1, words.end()});
    return command;
  }
};

/// What is said of a command line; empty if it is parsed.
std::string trouble(const Words& words) {
  Program program;
  try {
    program.parse(words);
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

void expect_trouble(const Words& words, const Words& parts) {
  const auto message = trouble(words);
  for (const auto& part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
}

std::vector<GivenOption> given(const Words& words) {
  Program program;
  return given_command(program.parse(words)).options;
}

TEST(CommandWords, AValueIsMissingWhereAnOptionFollows) {
  expect_trouble({"txt2img", "--ckpt", "--prompt", "x"},
                 {"--ckpt: its value is missing, '--prompt' is an option", "--ckpt MODEL"});
  expect_trouble({"txt2img", "--prompt", "--seed", "5"}, {"--prompt: its value is missing"});
  expect_trouble({"txt2img", "--steps", "-W", "512"}, {"--steps: its value is missing, '-W'"});
  expect_trouble({"txt2img", "--outdir", "--promt", "x"}, {"--outdir: its value is missing"});
  expect_trouble({"txt2img", "--model", "--seed=3"},
                 {"--model: its value is missing, '--seed=3' is an option"});
  expect_trouble(
      {"txt2img", "--num_inference_steps"},
      {"--num_inference_steps: its value is missing, nothing follows", "--num_inference_steps N"});
  expect_trouble({"txt2img", "-p", "-n", "2"}, {"-p: its value is missing, '-n' is an option"});
}

TEST(CommandWords, AValueMayBeginWithADash) {
  EXPECT_EQ(given({"txt2img", "--prompt=--seed"}),
            (std::vector<GivenOption>{{"prompt", "--seed"}}));
  EXPECT_EQ(given({"txt2img", "--prompt", "-- a cat"}),
            (std::vector<GivenOption>{{"prompt", "-- a cat"}}));
  EXPECT_EQ(given({"txt2img", "--prompt", "--a cat"}),
            (std::vector<GivenOption>{{"prompt", "--a cat"}}));
  EXPECT_EQ(given({"txt2img", "--prompt", "-1 degrees"}),
            (std::vector<GivenOption>{{"prompt", "-1 degrees"}}));
  EXPECT_EQ(given({"txt2img", "--scale", "-2", "--seed=-1"}),
            (std::vector<GivenOption>{{"scale", "-2"}, {"seed", "-1"}}));
  EXPECT_EQ(given({"txt2img", "--from-file", "-"}), (std::vector<GivenOption>{{"from-file", "-"}}));
}

TEST(CommandWords, AnEmptyValueTakesNoWordFromBehind) {
  EXPECT_EQ(given({"txt2img", "--negative-prompt=", "--seed", "3"}),
            (std::vector<GivenOption>{{"negative-prompt", ""}, {"seed", "3"}}));
}

TEST(CommandWords, ErrorsNameTheSpellingThatWasTyped) {
  expect_trouble({"txt2img", "--steps", "0"},
                 {"--steps: '0' is not a whole number from 1 to 1000"});
  expect_trouble({"txt2img", "--ddim-steps", "0"}, {"--ddim-steps: '0'"});
  expect_trouble({"txt2img", "--num_inference_steps", "0"}, {"--num_inference_steps: '0'"});
  expect_trouble({"txt2img", "-W", "5000"}, {"-W: '5000'"});
  expect_trouble({"txt2img", "--cfg_scale", "x"}, {"--cfg_scale: 'x'"});
  expect_trouble({"txt2img", "--ddim_steps", "5", "--steps", "0"}, {"--steps: '0'"});
  expect_trouble({"swap", "--cross_steps", "2:3"}, {"--cross_steps: "});
  expect_trouble({"attn", "--token-idx", "-4"}, {"--token-idx: '-4'"});
  expect_trouble({"txt2img", "--sampling-method", "eulr"},
                 {"--sampling-method: 'eulr' is none of"});
}

TEST(CommandWords, AFlagTakesNoValue) {
  expect_trouble({"txt2img", "--plms=maybe"}, {"--plms: it takes no value, found 'maybe'"});
  expect_trouble({"txt2img", "--skip_grid", "true"},
                 {"unexpected argument 'true'", "--skip_grid takes no value"});
  EXPECT_EQ(given({"txt2img", "--plms=True"}), (std::vector<GivenOption>{{"plms", std::nullopt}}));
  EXPECT_TRUE(given({"txt2img", "--plms=off"}).empty());
}

TEST(CommandWords, APictureIsNamedByItsOption) {
  expect_trouble({"img2img", "pic.png"}, {"unexpected argument 'pic.png'", "--init-img pic.png"});
  expect_trouble({"swap", "my photo.JPG"}, {"--init-img 'my photo.JPG'"});
  expect_trouble({"txt2img", "pic.webp"}, {"sd img2img --init-img pic.webp", "sd info pic.webp"});
}

TEST(CommandWords, OtherFilesAreNamedByTheirOptionsToo) {
  expect_trouble({"txt2img", "v1-5.safetensors"}, {"--ckpt v1-5.safetensors"});
  expect_trouble({"txt2img", "prompts.txt"}, {"--from-file prompts.txt"});
  expect_trouble({"txt2img", "v2.yaml"}, {"--config v2.yaml"});
  const test::TempFolder folder;
  expect_trouble({"attn", folder / ""}, {"--from "});
  expect_trouble({"txt2img", folder / ""}, {"--ckpt ", "--outdir "});
}

TEST(CommandWords, TextIsNamedByItsOption) {
  expect_trouble({"txt2img", "a red apple"},
                 {"unexpected argument 'a red apple'", "--prompt \"a red apple\""});
  expect_trouble({"txt2img", "a", "red", "apple"}, {"--prompt \"a red apple\""});
  expect_trouble({"txt2img", "--prompt", "a", "red", "apple"},
                 {"Text with spaces needs quotes: --prompt \"a red apple\""});
  expect_trouble({"txt2img", "--negative_prompt", "low", "quality", "--seed", "3"},
                 {"--negative_prompt \"low quality\""});
  expect_trouble({"txt2img", "--prompt", "a cat", "a dog"}, {"'a dog'", "--from-file"});
  expect_trouble({"txt2img", "say \"hi\""}, {"--prompt 'say \"hi\"'"});
}

TEST(CommandWords, TwoTextsOfASwapAreSourceAndTarget) {
  expect_trouble({"swap", "a cat", "a dog"}, {"--sprompt \"a cat\" --prompt \"a dog\""});
  expect_trouble({"swap", "a cat"}, {"--sprompt \"a cat\""});
  expect_trouble({"swap", "--sprompt", "a cat", "a dog"}, {"The target", "--prompt \"a dog\""});
  expect_trouble({"swap", "--prompt", "a dog", "a cat"}, {"The source", "--sprompt \"a cat\""});
}

TEST(CommandWords, ListsAndRepeatedOptionsTakeTheirOwnForm) {
  expect_trouble({"txt2img", "--reweight", "a=2", "b=3"}, {"--reweight 'a=2' --reweight 'b=3'"});
  expect_trouble({"txt2img", "--reweight", "a=2", "--layers", "down", "up"}, {"--layers down,up"});
  expect_trouble({"txt2img", "--steps", "20", "30"}, {"'30'", "--steps takes one value, '20'"});
}

TEST(CommandWords, CommandsWithArgumentsTakeNoMore) {
  expect_trouble({"convert", "a.ckpt", "b.safetensors", "c"},
                 {"unexpected argument 'c'", "'sd convert' takes IN OUT."});
  expect_trouble({"samplers", "euler"}, {"'sd samplers' takes no arguments."});
  Program program;
  EXPECT_EQ(program.parse({"info", "--", "-a.png", "swap"})["FILE"]->results(),
            (Words{"-a.png", "swap"}));
}

TEST(CommandWords, AnOptionOfAnotherCommandIsSaid) {
  expect_trouble({"txt2img", "--init-img", "a.png"},
                 {"unknown option '--init-img': it is one of 'sd img2img', 'sd swap'"});
  expect_trouble({"txt2img", "--sprompt", "a"}, {"it is one of 'sd swap', not of 'sd txt2img'"});
  expect_trouble({"img2img", "--keep-ema"}, {"'sd convert'"});
}

TEST(CommandWords, ALongNameWithOneDashIsNoValueOfAShortOne) {
  expect_trouble({"txt2img", "-prompt", "x"}, {"unknown option '-prompt'", "--prompt"});
  expect_trouble({"txt2img", "-steps", "20"}, {"--steps"});
  expect_trouble({"txt2img", "-outdir=x"}, {"--outdir"});
  expect_trouble({"txt2img", "-promt", "x"}, {"unknown option '-promt'", "'--prompt'"});
}

TEST(CommandWords, ShortOptionsTakeNumbersWithoutABlank) {
  EXPECT_EQ(given({"txt2img", "-W512", "-H=640", "-qv"}),
            (std::vector<GivenOption>{
                {"W", "512"}, {"H", "640"}, {"quiet", std::nullopt}, {"verbose", std::nullopt}}));
}

TEST(CommandWords, NamesWithSeveralMeaningsAreNotGuessed) {
  expect_trouble({"txt2img", "-n", "2"},
                 {"unknown option '-n'", "--n_samples", "--n_iter", "--negative-prompt"});
  expect_trouble({"txt2img", "-s", "7"}, {"unknown option '-s'", "--seed", "--steps"});
  EXPECT_EQ(trouble({"txt2img", "-s", "7"}).find("--strength"), std::string::npos);
  expect_trouble({"img2img", "-s", "7"}, {"--strength"});
  expect_trouble({"txt2img", "--num_images_per_prompt", "4"}, {"--n_samples 4 --n_iter 1"});
  expect_trouble({"swap", "--mask", "m.png"}, {"--init-mask", "--blend-mask"});
  expect_trouble({"img2img", "--mask", "m.png"}, {"Use --init-mask"});
  expect_trouble({"txt2img", "-b", "4"}, {"--n_samples", "--n_iter"});
  expect_trouble({"txt2img", "--fp16"}, {"--dtype"});
  expect_trouble({"txt2img", "--cuda"}, {"--device"});
}

TEST(CommandWords, WhatIsNotHereIsSaid) {
  expect_trouble({"txt2img", "--upscale", "2"}, {"unknown option '--upscale'", "sd img2img"});
  EXPECT_EQ(trouble({"txt2img", "--upscale", "2"}).find("'--scale'"), std::string::npos);
  expect_trouble({"txt2img", "--lora-model-dir", "x"}, {"LoRA"});
  expect_trouble({"txt2img", "--xformers"}, {"leave it out"});
}

TEST(CommandWords, UpperCaseIsSuggestedInItsOwnCase) {
  expect_trouble({"txt2img", "--Prompt", "x"}, {"Did you mean '--prompt'?"});
  expect_trouble({"txt2img", "--h", "512"}, {"Did you mean '--H'?"});
}

TEST(CommandWords, HelpComesBeforeEveryMistake) {
  Program program;
  EXPECT_THROW(program.parse({"txt2img", "--ckpt", "--help"}), CLI::CallForHelp);
  EXPECT_THROW(program.parse({"txt2img", "pic.png", "--stepz", "-h"}), CLI::CallForHelp);
}

TEST(CommandWords, ATaskMeansTheKeysOfItsObject) {
  Program program;
  const auto& command = *program.app.get_subcommand("txt2img");
  const auto settings = object_settings(
      R"({"prompt": "x", "num_inference_steps": 7, "guidance-scale": 3, "size": "512x768"})",
      command);
  ASSERT_EQ(settings.size(), 4u);
  EXPECT_EQ(settings[1].option, "--size");
  EXPECT_EQ(settings[2].option, "--ddim_steps");
  EXPECT_EQ(settings[3].option, "--scale");
  try {
    object_settings(R"({"n": 3})", command);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("--n_iter"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace sd::cli
