#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "sd/image/infotext.h"

namespace sd {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

TEST(NumberText, IsWhatPythonPrintsWithoutTheZeroOfWholeValues) {
  const std::vector<std::pair<double, std::string>> cases = {
      {7, "7"},
      {7.5, "7.5"},
      {0, "0"},
      {-2.25, "-2.25"},
      {0.1, "0.1"},
      {0.0001, "0.0001"},
      {1e-5, "1e-05"},
      {1.5e-7, "1.5e-07"},
      {1e15, "1000000000000000"},
      {1e16, "1e+16"},
      {1.25e20, "1.25e+20"},
      {1.0 / 3, "0.3333333333333333"},
      {4294967295.0, "4294967295"},
      {std::numeric_limits<double>::infinity(), "inf"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(number_text(value), text);
}

TEST(FormatInfotext, IsThreePartsAsTheWebUiWritesThem) {
  const Infotext info{
      "a red apple", "blurry", {{"Steps", "50"}, {"Sampler", "PLMS"}, {"CFG scale", "7.5"}}};
  EXPECT_EQ(format_infotext(info),
            "a red apple\nNegative prompt: blurry\nSteps: 50, Sampler: PLMS, CFG scale: 7.5");
}

TEST(FormatInfotext, AnEmptyNegativePromptIsLeftOut) {
  EXPECT_EQ(format_infotext({"a", "", {{"Steps", "50"}}}), "a\nSteps: 50");
  EXPECT_EQ(format_infotext({"a", "", {}}), "a");
}

TEST(FormatInfotext, ValuesWithSeparatorsAreJson) {
  const Infotext info{"a",
                      "",
                      {{"A", "x, y"},
                       {"B", "k: v"},
                       {"C", "two\nlines"},
                       {"D", "plain \"quoted\" ü"},
                       {"E", "a \"b\", c\\d ü"}}};
  EXPECT_EQ(format_infotext(info),
            "a\nA: \"x, y\", B: \"k: v\", C: \"two\\nlines\", D: plain \"quoted\" ü, E: \"a "
            "\\\"b\\\", c\\\\d ü\"");
}

TEST(Infotext, WhatIsWrittenIsReadBack) {
  const Infotext info{"first line\nsecond, line: with (weights:1.2)",
                      "ugly\nbad",
                      {{"Steps", "20"},
                       {"Empty", ""},
                       {"Lora hashes", "a: 0123, b: 4567"},
                       {"Template", "two\nlines, \"quoted\" \\ back"},
                       {"Quoted", "\"inside\""},
                       {"Blanks", " both ends "},
                       {"Version", "sd 0.1.0"}}};
  const auto read = parse_infotext(format_infotext(info));
  EXPECT_EQ(read.prompt, info.prompt);
  EXPECT_EQ(read.negative_prompt, info.negative_prompt);
  EXPECT_EQ(read.settings, info.settings);
}

TEST(ParseInfotext, ReadsAPictureOfTheWebUi) {
  const auto info = parse_infotext(
      "masterpiece, (a cat:1.3), <lora:detail:0.8>\n"
      "BREAK outdoors\n"
      "Negative prompt: EasyNegative, (worst quality:2)\n"
      "watermark\n"
      "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1234567890, Size: 512x768, Model "
      "hash: 6ce0161689, "
      "Model: v1-5-pruned-emaonly, Denoising strength: 0.55, Clip skip: 2, Hires upscale: 2, "
      "Lora hashes: \"detail: f3b4a2c1d0e9\", TI hashes: \"EasyNegative: c74b4e810b03, x: 1\", "
      "Version: v1.9.4");
  EXPECT_EQ(info.prompt, "masterpiece, (a cat:1.3), <lora:detail:0.8>\nBREAK outdoors");
  EXPECT_EQ(info.negative_prompt, "EasyNegative, (worst quality:2)\nwatermark");
  const Settings expected = {{"Steps", "28"},
                             {"Sampler", "DPM++ 2M Karras"},
                             {"CFG scale", "7"},
                             {"Seed", "1234567890"},
                             {"Size", "512x768"},
                             {"Model hash", "6ce0161689"},
                             {"Model", "v1-5-pruned-emaonly"},
                             {"Denoising strength", "0.55"},
                             {"Clip skip", "2"},
                             {"Hires upscale", "2"},
                             {"Lora hashes", "detail: f3b4a2c1d0e9"},
                             {"TI hashes", "EasyNegative: c74b4e810b03, x: 1"},
                             {"Version", "v1.9.4"}};
  EXPECT_EQ(info.settings, expected);
}

TEST(ParseInfotext, TheLastLineNeedsThreeSettings) {
  const auto two = parse_infotext("a cat\nSteps: 20, Seed: 1");
  EXPECT_EQ(two.prompt, "a cat\nSteps: 20, Seed: 1");
  EXPECT_TRUE(two.settings.empty());
  EXPECT_EQ(parse_infotext("a cat\nSteps: 20, Seed: 1, Size: 8x8").settings.size(), 3u);
}

TEST(ParseInfotext, SettingsMayStandAlone) {
  const auto info = parse_infotext("Steps: 20, Seed: 1, Size: 8x8");
  EXPECT_EQ(info.prompt, "");
  EXPECT_EQ(info.settings.size(), 3u);
}

TEST(ParseInfotext, ANegativePromptMayFollowNothing) {
  const auto info = parse_infotext("Negative prompt: bad\nSteps: 20, Seed: 1, Size: 8x8");
  EXPECT_EQ(info.prompt, "");
  EXPECT_EQ(info.negative_prompt, "bad");
}

TEST(ParseInfotext, BlanksAndCarriageReturnsAroundLinesGo) {
  const auto info =
      parse_infotext("  a cat \r\nNegative prompt:  bad\r\nSteps: 20,  Seed:  1 , Size: 8x8\r\n");
  EXPECT_EQ(info.prompt, "a cat");
  EXPECT_EQ(info.negative_prompt, "bad");
  EXPECT_EQ(info.settings, (Settings{{"Steps", "20"}, {"Seed", "1 "}, {"Size", "8x8"}}));
}

TEST(ParseInfotext, KeysFollowTheExpression) {
  // A key has two characters at least, of letters, digits, '_', ' ', '-', '/'; others end it and it
  // begins anew.
  const auto info =
      parse_infotext("p\nab: 1, x: 2, (cd: 3, e-f/g h: 4, größe: 5, Cr\u00e9ation: 6");
  EXPECT_EQ(
      info.settings,
      (Settings{{"ab", "1"}, {"cd", "3"}, {"e-f/g h", "4"}, {"größe", "5"}, {"Création", "6"}}));
}

TEST(ParseInfotext, AStringThatDoesNotEndIsPlainText) {
  const auto info =
      parse_infotext("p\nab: \"open, cd: 1, ef: \"x\" y, gh: \"bad \\q escape\", ij: \"\"");
  EXPECT_EQ(info.settings, (Settings{{"ab", "\"open"},
                                     {"cd", "1"},
                                     {"ef", "\"x\" y"},
                                     {"gh", "\"bad \\q escape\""},
                                     {"ij", ""}}));
}

TEST(ParseInfotext, AllMayStandInOneLine) {
  const auto info = parse_infotext(
      "a quiet harbour, boats Negative prompt: fog, rain Steps: 30, Sampler: DPM++ SDE Karras, CFG "
      "scale: 7, Seed: 55, Size: 512x768");
  EXPECT_EQ(info.prompt, "a quiet harbour, boats");
  EXPECT_EQ(info.negative_prompt, "fog, rain");
  EXPECT_EQ(info.settings, (Settings{{"Steps", "30"},
                                     {"Sampler", "DPM++ SDE Karras"},
                                     {"CFG scale", "7"},
                                     {"Seed", "55"},
                                     {"Size", "512x768"}}));
}

TEST(ParseInfotext, ALineOfAllNeedsNoNegativePrompt) {
  const auto info = parse_infotext("a (quiet:1.2) harbour) Steps: 30, Seed: 5, Size: 8x8");
  EXPECT_EQ(info.prompt, "a (quiet:1.2) harbour)");
  EXPECT_EQ(info.negative_prompt, "");
  EXPECT_EQ(info.settings.front(), (std::pair<std::string, std::string>{"Steps", "30"}));
}

TEST(ParseInfotext, SettingsMayGoOnBehindTheNegativePrompt) {
  const auto info =
      parse_infotext("a hill\na tree\nNegative prompt: fog Steps: 3, Seed: 5, Size: 8x8");
  EXPECT_EQ(info.prompt, "a hill\na tree");
  EXPECT_EQ(info.negative_prompt, "fog");
  EXPECT_EQ(info.settings.size(), 3u);
}

TEST(ParseInfotext, SettingsNeedNotBeginWithSteps) {
  const auto info = parse_infotext("a hill\nSampler: Euler, Steps: 20, Seed: 5");
  EXPECT_EQ(info.prompt, "a hill");
  EXPECT_EQ(info.settings, (Settings{{"Sampler", "Euler"}, {"Steps", "20"}, {"Seed", "5"}}));
}

TEST(ParseInfotext, LinesBehindTheSettingsAreSettingsToo) {
  const auto info = parse_infotext(
      "a harbour\nNegative prompt: fog\nSteps: 20, Seed: 99, Size: 512x768\n\n"
      "Time taken: 10.65s, active/reserved: 5142/6552 MiB, Sys VRAM: 6000/24576 MiB\n"
      "Template: a {harbour|hill},\nSteps of stone");
  EXPECT_EQ(info.prompt, "a harbour");
  EXPECT_EQ(info.negative_prompt, "fog");
  EXPECT_EQ(
      info.settings,
      (Settings{{"Steps", "20"},
                {"Seed", "99"},
                {"Size", "512x768"},
                {"Time taken", "10.65s, active/reserved: 5142/6552 MiB, Sys VRAM: 6000/24576 MiB"},
                {"Template", "a {harbour|hill},\nSteps of stone"}}));
}

TEST(ParseInfotext, JsonIsOneValue) {
  const auto info = parse_infotext(
      "a hill\nSteps: 30, Seed: 8, Resources: [{\"a\":1},{\"name\":\"soft \\\"light\\\", Steps: "
      "99, ]"
      "more\"}], Extra: {\"x\": [1, 2]}, Size: 8x8");
  EXPECT_EQ(
      info.settings,
      (Settings{{"Steps", "30"},
                {"Seed", "8"},
                {"Resources", "[{\"a\":1},{\"name\":\"soft \\\"light\\\", Steps: 99, ]more\"}]"},
                {"Extra", "{\"x\": [1, 2]}"},
                {"Size", "8x8"}}));
}

TEST(ParseInfotext, BracketsThatDoNotCloseEndAtTheComma) {
  const auto info = parse_infotext("p\nab: [open, cd: 1, ef: [2, 3], gh: 4");
  EXPECT_EQ(info.settings, (Settings{{"ab", "[open"}, {"cd", "1"}, {"ef", "[2"}, {"gh", "4"}}));
}

TEST(Infotext, BracketsAreReadBack) {
  const Infotext info{
      "a", "", {{"Ab", "["}, {"Bc", "]"}, {"Cd", "{\"x\": [1, 2]}"}, {"De", "[1]"}}};
  EXPECT_EQ(parse_infotext(format_infotext(info)).settings, info.settings);
}

TEST(ParseInfotext, SettingsOfAnyTextAreReadBack) {
  const std::vector<std::string> pieces = {
      "Steps: 3, ", "Steps: 20,", " Steps: 7", "Seed: 5, ", "Negative prompt: ",
      "\n",         "\n\n",       ",",         ": ",        "\"",
      "\\",         "[",          "]",         "{",         "}",
      " ",          "a cat",      "ab: 1, ",   "(x:1.2)",   "Time taken: 3 s, more: 4, yet: 5"};
  std::minstd_rand random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (auto count = random() % 24; count > 0; --count) text += pieces[random() % pieces.size()];
    const auto info = parse_infotext(text);
    // Programs write the steps first; other beginnings are read from them on.
    if (info.settings.empty() || info.settings.front().first != "Steps") continue;
    ASSERT_EQ(parse_infotext(format_infotext(info)).settings, info.settings) << text;
  }
}

TEST(ParseInfotext, LongLinesAreReadInLinearTime) {
  // A backtracking expression takes minutes here, or overflows the stack; the test's time limit
  // says so.
  const std::string words(4'000'000, 'w');
  EXPECT_EQ(parse_infotext(words).prompt, words);
  EXPECT_TRUE(parse_infotext("ab: \"" + std::string(4'000'000, '\\')).settings.empty());
  std::string brackets, lines;
  for (int i = 0; i < 500'000; ++i) brackets += "ab: [,";
  EXPECT_EQ(parse_infotext(brackets).settings.size(), 500'000u);
  for (int i = 0; i < 500'000; ++i) lines += "Steps: 1,\n";
  EXPECT_TRUE(parse_infotext(lines).settings.empty());
}

TEST(ParseInfotext, AnythingIsAnInfotext) {
  EXPECT_EQ(parse_infotext("").prompt, "");
  EXPECT_EQ(parse_infotext("\n\n").prompt, "");
  EXPECT_EQ(parse_infotext("just words").prompt, "just words");
}

}  // namespace
}  // namespace sd
