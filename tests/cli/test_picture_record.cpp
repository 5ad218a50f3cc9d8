#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "cli/record/picture_record.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

RunRecord run_record() {
  RunRecord run;
  run.options.plms = true;
  run.options.n_samples = 1;
  run.model_name = "v1-5-pruned-emaonly";
  run.model_format = "ckpt";
  run.model_hash = "6ce0161689";
  run.device = "cpu";
  run.dtype = "f32";
  return run;
}

PictureRecord picture(const std::string& prompt) {
  PictureRecord record;
  record.prompt = prompt;
  return record;
}

TEST(PictureRecord, WritesTheInfotextOthersRead) {
  auto run = run_record();
  run.options.negative_prompt = "blurry";
  EXPECT_EQ(
      png_texts(run, picture("a red apple"))[0].text,
      "a red apple\n"
      "Negative prompt: blurry\n"
      "Steps: 50, Sampler: PLMS, CFG scale: 7.5, Seed: 42, Size: 512x512, Model hash: 6ce0161689, "
      "Model: v1-5-pruned-emaonly, Version: sd 0.1.0");
}

TEST(PictureRecord, NamesInTheInfotextWhatIsNotTheDefault) {
  auto run = run_record();
  run.options.plms = false;
  run.options.eta = 0.7;
  run.options.rng = RngChoice::kCuda;
  auto record = picture("x");
  record.batch_size = 3;
  record.row = record.sample = 2;
  const auto text = png_texts(run, record)[0].text;
  EXPECT_NE(text.find("Sampler: DDIM"), std::string::npos) << text;
  EXPECT_NE(text.find("RNG: NV, Eta: 0.7, Batch size: 3, Batch pos: 2, Version: sd 0.1.0"),
            std::string::npos)
      << text;
}

TEST(PictureRecord, NamesWeightsUnderAKeyThatReadersTake) {
  auto run = run_record();
  run.options.control.reweight = {{"cat#2", {2}}, {"@3", {0.5, -1}}};
  auto record = picture("a cat, a cat");
  record.sample = 1;
  const auto text = png_texts(run, record)[0].text;
  const auto settings = parse_infotext(text).settings;
  const std::pair<std::string, std::string> expected{"Reweight", "cat#2=2, @3=-1"};
  EXPECT_NE(std::find(settings.begin(), settings.end(), expected), settings.end()) << text;
  record.is_source = true;  // a source's attention is never weighed
  EXPECT_EQ(png_texts(run, record)[0].text.find("Reweight"), std::string::npos);
}

TEST(PictureRecord, HoldsEverySettingAsJson) {
  auto run = run_record();
  run.options.from_file = "lists/prompts.txt";
  run.options.fixed_code = true;
  auto record = picture("a \"quoted\" prompt");
  record.prompt_index = 4;
  record.prompt_count = 9;
  record.prompt_line = 6;
  const auto texts = png_texts(run, record);
  ASSERT_EQ(texts[1].keyword, "sd");
  const auto json = nlohmann::json::parse(texts[1].text);
  EXPECT_EQ(json.at("prompt"), "a \"quoted\" prompt");
  EXPECT_EQ(json.at("seed"), 42);
  EXPECT_EQ(json.at("rng"), "device");
  EXPECT_EQ(json.at("from_file"), "prompts.txt");
  EXPECT_EQ(json.at("model").at("hash"), "6ce0161689");
  EXPECT_EQ(json.at("run").at("fixed_code"), true);
  EXPECT_EQ(json.at("run").at("prompt_index"), 4);
  EXPECT_EQ(json.at("run").at("prompt_line"), 6);
  EXPECT_TRUE(json.at("init_latents").is_null());
}

TEST(PictureRecord, HoldsSeedsOfTorchAsTyped) {
  auto run = run_record();
  run.options.seed = UINT64_MAX;
  EXPECT_EQ(settings_of(run, picture("x")).at("seed").dump(), "18446744073709551615");
  EXPECT_NE(png_texts(run, picture("x"))[0].text.find("Seed: 18446744073709551615"),
            std::string::npos);
  EXPECT_EQ(name_fields_of(run, picture("x")).seed, UINT64_MAX);
}

TEST(PictureRecord, SeedsOfAPictureEachCountOnFromTheLastToTheFirst) {
  auto run = run_record();
  run.options.seed = UINT64_MAX;
  run.options.seed_mode = SeedMode::kImage;
  auto second = picture("x");
  second.sample_index = 1;
  EXPECT_NE(png_texts(run, second)[0].text.find("Seed: 0,"), std::string::npos);
}

TEST(PictureRecord, HoldsTheStepsOfASwapThatNobodyChose) {
  auto run = run_record();
  run.options.swap.mode = SwapMode::kPromptToPrompt;
  auto record = picture("a dog");
  record.source = "a cat";
  const auto steps = [&] { return settings_of(run, record).at("swap").at("cross_steps").dump(); };
  EXPECT_EQ(steps(), R"([{"word":"","steps":[0.0,0.8]}])");
  run.options.swap.cross_steps = {{"dog", {0.1, 0.5}}};  // the other words have the default
  EXPECT_EQ(steps(), R"([{"word":"","steps":[0.0,0.8]},{"word":"dog","steps":[0.1,0.5]}])");
  run.options.swap.cross_steps = {{"", {0.2, 0.3}}};
  EXPECT_EQ(steps(), R"([{"word":"","steps":[0.2,0.3]}])");
}

TEST(PictureRecord, WritesOneJsonLineAPicture) {
  const auto line = json_line(run_record(), picture("two\nlines"), "out/samples/00000.png", 1.5);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json.at("kind"), "image");
  EXPECT_EQ(json.at("path"), "out/samples/00000.png");
  EXPECT_EQ(json.at("prompt"), "two\nlines");
  EXPECT_EQ(json.at("seconds"), 1.5);
  EXPECT_TRUE(
      nlohmann::json::parse(json_line(run_record(), picture("x"), "", 0)).at("path").is_null());
}

TEST(ModelName, IsTheNameOfTheFileOrFolder) {
  const test::TempFolder folder;
  std::filesystem::create_directory(folder / "my.model");
  test::write_text(folder / "v1-4.ckpt", "");
  EXPECT_EQ(model_name(folder / "v1-4.ckpt"), "v1-4");
  EXPECT_EQ(model_name(folder / "my.model/"), "my.model");
}

}  // namespace
}  // namespace sd::cli
