#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/weights/open.h"
#include "sd/weights/write_safetensors.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::Finished;
using test::TempFolder;
using test::TinyRun;

const std::string kTiny = SD_TEST_DATA "/tiny-v1.ckpt";

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// `sd convert` in a folder of its own.
class Convert : public testing::Test {
 protected:
  test::ProcessSetup setup(const std::vector<std::string>& arguments) const {
    test::ProcessSetup setup;
    setup.arguments = {"convert"};
    setup.arguments.insert(setup.arguments.end(), arguments.begin(), arguments.end());
    setup.environment = {{"XDG_CACHE_HOME", (cache_ / "cache").string()}};
    return setup;
  }
  Finished convert(const std::vector<std::string>& arguments) const {
    return run_program(setup(arguments));
  }
  std::string path(const std::string& name) const { return folder_ / name; }

  /// Names in the folder, temporary ones too.
  std::set<std::string> entries() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      names.insert(entry.path().filename());
    return names;
  }

  /// The tiny checkpoint with one value changed, as a file.
  void write_with(const std::string& file, float value) const {
    const auto model = open_model(kTiny);
    const std::vector<float> values(32, value);
    std::vector<NamedTensor> tensors;
    for (const auto& name : model.tensors->names()) {
      auto view = model.tensors->at(name);
      if (name == "model.diffusion_model.out.0.bias") {
        view = TensorView{};
        view.shape = {32};
        view.bytes = std::as_bytes(std::span(values));
      }
      tensors.push_back({name, view});
    }
    write_safetensors(folder_ / file, tensors, {{"modelspec.title", "Tiny"}});
    fs::copy_file(SD_TEST_DATA "/tiny-v1.yaml",
                  folder_ / (file.substr(0, file.find('.')) + ".yaml"));
  }

  TempFolder folder_, cache_;
};

TEST_F(Convert, RoundTripsDrawTheSameBytes) {
  ASSERT_EQ(convert({kTiny, path("a.safetensors")}).code, 0);
  ASSERT_EQ(convert({path("a.safetensors"), path("folder/")}).code, 0);
  ASSERT_EQ(convert({path("folder"), path("b.safetensors")}).code, 0);
  const TinyRun run;
  const std::vector<std::string> models = {kTiny, path("a.safetensors"), path("folder"),
                                           path("b.safetensors")};
  for (const auto& model : models) {
    const auto drawn = run({"--ckpt", model, "--n_samples", "1", "--n_iter", "1", "--skip_grid"});
    ASSERT_EQ(drawn.code, 0) << model << drawn.err;
  }
  const auto first = run.sample("00000.png").pixels;
  for (const char* other : {"00001.png", "00002.png", "00003.png"})
    EXPECT_EQ(run.sample(other).pixels, first) << other;
}

TEST_F(Convert, PrintsPathsAndKeepsTheSettings) {
  const auto finished = convert({kTiny, path("a.safetensors")});
  EXPECT_EQ(finished.lines(), (std::vector<std::string>{path("a.safetensors"), path("a.yaml")}));
  EXPECT_EQ(entries(), (std::set<std::string>{"a.safetensors", "a.yaml"}));
  // The demo model's group norms are in its configuration only.
  ASSERT_EQ(convert({SD_SOURCE_DIR "/models/demo", path("folder/")}).code, 0);
  ASSERT_EQ(convert({path("folder"), path("demo.safetensors")}).code, 0);
  EXPECT_TRUE(contains(test::read_text(path("demo.yaml")), "norm_groups: 16"));
}

TEST_F(Convert, ConvertsWeightsAndNothingElse) {
  ASSERT_EQ(convert({kTiny, path("a.safetensors"), "--dtype", "bf16"}).code, 0);
  const auto model = open_model(path("a.safetensors"));
  const auto dtype = [&](const char* name) { return model.tensors->describe(name).dtype; };
  EXPECT_EQ(dtype("model.diffusion_model.out.2.weight"), DType::kBF16);
  EXPECT_EQ(dtype("betas"), DType::kF32);
  ASSERT_EQ(convert({path("a.safetensors"), path("folder"), "--dtype", "f32"}).code, 0);
  EXPECT_EQ(
      open_model(path("folder")).tensors->describe("model.diffusion_model.out.2.weight").dtype,
      DType::kF32);
}

TEST_F(Convert, NotesWhereItCameFrom) {
  write_with("in.safetensors", 1);
  const auto finished = convert({path("in.safetensors"), path("out.safetensors"), "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto line = nlohmann::json::parse(finished.out);
  EXPECT_EQ(line.at("path"), path("out.safetensors"));
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : open_model(path("out.safetensors")).metadata)
    metadata[key] = value;
  EXPECT_EQ(metadata.at("format"), "pt");
  EXPECT_EQ(metadata.at("modelspec.title"), "Tiny");
  EXPECT_EQ(metadata.at("sd.source"), "in.safetensors");
  EXPECT_EQ(metadata.at("sd.source_sha256"), line.at("source_sha256"));
  EXPECT_EQ(metadata.at("sd.source_sha256").size(), 64u);
}

TEST_F(Convert, RefusesValuesThatDoNotFit) {
  write_with("in.safetensors", 70000);
  const auto f16 = convert({path("in.safetensors"), path("out.safetensors"), "--dtype", "f16"});
  EXPECT_EQ(f16.code, 4);
  EXPECT_TRUE(contains(f16.err, "'model.diffusion_model.out.0.bias' holds 70000")) << f16.err;
  EXPECT_TRUE(contains(f16.err, "bf16")) << f16.err;
  EXPECT_EQ(entries(), (std::set<std::string>{"in.safetensors", "in.yaml"}));
  EXPECT_EQ(convert({path("in.safetensors"), path("out.safetensors"), "--dtype", "bf16"}).code, 0);
}

TEST_F(Convert, RefusesWhatItCannotDoAndLeavesNothing) {
  const auto expect = [&](int code, const std::vector<std::string>& arguments,
                          const std::string& part) {
    const auto finished = convert(arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << part << " is not in: " << finished.err;
  };
  test::write_text(path("there.safetensors"), "mine");
  expect(5, {kTiny, path("there.safetensors")}, "there.safetensors: exists already");
  EXPECT_EQ(test::read_text(path("there.safetensors")), "mine");
  test::write_text(path("new.yaml"), "mine");
  expect(5, {kTiny, path("new.safetensors")}, "new.yaml: exists already");
  expect(5, {kTiny, path("absent/x.safetensors")}, "its folder does not exist");
  expect(5, {path("nothing.ckpt"), path("x.safetensors")}, "nothing.ckpt does not exist");
  expect(2, {kTiny, path("x.gguf")}, "x.gguf: files of this kind are not written");
  expect(2, {kTiny, path("x.safetensors"), "--dtype", "f8"}, "'f8' is none of f32, f16, bf16");
  expect(2, {kTiny}, "give what to convert and where to write it");
  expect(2, {kTiny, path("x/"), "--keep-ema"}, "no place for EMA weights");
  expect(4, {kTiny, path("x.safetensors"), "--ema"}, "no EMA weights");
  expect(4, {SD_TEST_DATA "/tiny-v1.yaml", path("x.safetensors")}, "a text file, not a model");
  EXPECT_EQ(entries(), (std::set<std::string>{"there.safetensors", "new.yaml"}));
}

TEST_F(Convert, UsesAYamlThatALeftoverConversionWroteBesideItsName) {
  ASSERT_EQ(convert({kTiny, path("a.safetensors")}).code, 0);
  fs::remove(path("a.safetensors"));
  const auto written = test::read_text(path("a.yaml"));
  const auto again = convert({kTiny, path("a.safetensors")});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.lines(), (std::vector<std::string>{path("a.safetensors"), path("a.yaml")}));
  EXPECT_EQ(test::read_text(path("a.yaml")), written);
}

TEST_F(Convert, RefusesAYamlBesideItsNameThatSaysOtherwise) {
  ASSERT_EQ(convert({kTiny, path("a.safetensors")}).code, 0);
  auto other = test::read_text(path("a.yaml"));
  const auto groups = other.find("norm_groups: ");
  ASSERT_NE(groups, std::string::npos) << other;
  other.replace(groups, other.find('\n', groups) - groups, "norm_groups: 2");
  test::write_text(path("b.yaml"), other);
  const auto finished = convert({kTiny, path("b.safetensors")});
  EXPECT_EQ(finished.code, 5);
  EXPECT_TRUE(contains(finished.err, "would be read as the settings of")) << finished.err;
  EXPECT_EQ(test::read_text(path("b.yaml")), other);
  EXPECT_FALSE(fs::exists(path("b.safetensors")));
}

TEST_F(Convert, SaysWhenThereIsTooLittleSpace) {
  // A hole of a file: more than any disk here has, and nothing of it is read.
  constexpr uint64_t kHuge = uint64_t{8} << 40;
  const auto model = open_model(kTiny);
  std::vector<TensorHeader> headers;
  for (const auto& name : model.tensors->names()) {
    const auto view = model.tensors->describe(name);
    headers.push_back({name, view.dtype, view.shape});
  }
  headers.push_back({"huge", DType::kU8, {static_cast<int64_t>(kHuge)}});
  nlohmann::ordered_json json;
  uint64_t offset = 0;
  for (const auto& header : headers) {
    json[header.name] = {{"dtype", name_of(header.dtype)},
                         {"shape", header.shape},
                         {"data_offsets", {offset, offset + header.bytes()}}};
    offset += header.bytes();
  }
  const auto text = json.dump();
  const uint64_t length = text.size();
  test::write_text(path("huge.safetensors"),
                   std::string(reinterpret_cast<const char*>(&length), sizeof length) + text);
  std::error_code error;
  fs::resize_file(path("huge.safetensors"), sizeof length + length + offset, error);
  if (error || fs::space(folder_.path()).available > kHuge) GTEST_SKIP() << "no such file here";
  fs::copy_file(SD_TEST_DATA "/tiny-v1.yaml", path("huge.yaml"));
  const auto finished = convert({path("huge.safetensors"), path("out.safetensors")});
  EXPECT_EQ(finished.code, 5) << finished.err;
  EXPECT_TRUE(contains(finished.err, "out.safetensors: needs 8796.")) << finished.err;
  EXPECT_TRUE(contains(finished.err, " free\n")) << finished.err;
  EXPECT_EQ(entries(), (std::set<std::string>{"huge.safetensors", "huge.yaml"}));
}

TEST_F(Convert, LeavesNothingWhenInterrupted) {
  // Large enough to be caught at work: 200 MB to write and to compare.
  const auto model = open_model(kTiny);
  const std::vector<std::byte> zeros(std::size_t{200} << 20);
  std::vector<NamedTensor> tensors;
  for (const auto& name : model.tensors->names())
    tensors.push_back({name, model.tensors->at(name)});
  TensorView large;
  large.shape = {static_cast<int64_t>(zeros.size() / 4)};
  large.bytes = zeros;
  tensors.push_back({"model.diffusion_model.large", large});
  write_safetensors(path("in.safetensors"), tensors);
  fs::copy_file(SD_TEST_DATA "/tiny-v1.yaml", path("in.yaml"));
  test::Process process(setup({path("in.safetensors"), path("out.safetensors"), "--dtype", "f16"}));
  ASSERT_TRUE(process.wait_until([&] { return entries().size() > 2; })) << "it ended before";
  process.signal(SIGINT);
  EXPECT_EQ(process.wait().code, 130);
  EXPECT_EQ(entries(), (std::set<std::string>{"in.safetensors", "in.yaml"}));
}

/// Parts from files of their own.
class SeparateFiles : public Convert {
 protected:
  Finished draw(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all = {"--n_samples", "1", "--n_iter", "1", "--skip_grid", "--json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_(all);
  }

  TinyRun run_;
};

TEST_F(SeparateFiles, TheModelsOwnPartsChangeNothing) {
  ASSERT_EQ(draw({}).code, 0);
  const auto drawn = draw({"--vae", SD_TEST_DATA "/tiny-v1-diffusers", "--clip",
                           SD_TEST_DATA "/tiny-v1-diffusers/text_encoder"});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_EQ(run_.sample("00001.png").pixels, run_.sample("00000.png").pixels);
  const auto line = test::image_lines(drawn).at(0);
  EXPECT_EQ(line.at("vae").at("name"), "tiny-v1-diffusers");
  EXPECT_EQ(line.at("vae").at("hash").get<std::string>().size(), 10u);
  EXPECT_EQ(line.at("clip").at("name"), "text_encoder");
  const auto info =
      test::run_sd({"info", "--json", (run_.outdir() / "samples/00001.png").string()});
  const auto settings = nlohmann::json::parse(info.out).at("parameters").at("settings");
  EXPECT_EQ(settings.at("VAE"), "tiny-v1-diffusers");
  EXPECT_EQ(settings.at("VAE hash"), line.at("vae").at("hash"));
  EXPECT_EQ(settings.at("Text encoder"), "text_encoder");
}

TEST_F(SeparateFiles, AnotherAutoencoderDrawsAnotherPicture) {
  write_with("other.safetensors", 1);
  const auto model = open_model(kTiny);
  std::vector<NamedTensor> tensors;
  const std::vector<float> bias = {1, -1, 0.5};
  for (const auto& name : model.tensors->names()) {
    if (!name.starts_with("first_stage_model.")) continue;
    auto view = model.tensors->at(name);
    if (name == "first_stage_model.decoder.conv_out.bias") {
      view = TensorView{};
      view.shape = {3};
      view.bytes = std::as_bytes(std::span(bias));
    }
    tensors.push_back({name.substr(18), view});
  }
  write_safetensors(path("vae.safetensors"), tensors);
  ASSERT_EQ(draw({}).code, 0);
  ASSERT_EQ(draw({"--vae", path("vae.safetensors")}).code, 0);
  EXPECT_NE(run_.sample("00001.png").pixels, run_.sample("00000.png").pixels);
  // Baked in, it is the same.
  ASSERT_EQ(convert({kTiny, path("baked.safetensors"), "--vae", path("vae.safetensors")}).code, 0);
  ASSERT_EQ(draw({"--ckpt", path("baked.safetensors")}).code, 0);
  EXPECT_EQ(run_.sample("00002.png").pixels, run_.sample("00001.png").pixels);
}

TEST_F(SeparateFiles, WhatDoesNotFitIsRefused) {
  const auto absent = draw({"--vae", path("absent.ckpt")});
  EXPECT_EQ(absent.code, 5);
  EXPECT_TRUE(contains(absent.err, "--vae: ")) << absent.err;
  const auto wide = draw({"--clip", SD_SOURCE_DIR "/models/demo"});
  EXPECT_EQ(wide.code, 4);
  EXPECT_TRUE(contains(wide.err, "a text encoder of width 128")) << wide.err;
  // Of a model whose latents are scaled otherwise.
  std::filesystem::copy(SD_TEST_DATA "/tiny-v1-diffusers/vae", path("vae"));
  auto config = nlohmann::json::parse(test::read_text(path("vae/config.json")));
  config["scaling_factor"] = 0.4422;
  test::write_text(path("vae/config.json"), config.dump());
  const auto scaled = draw({"--vae", path("vae")});
  EXPECT_EQ(scaled.code, 4);
  EXPECT_TRUE(contains(scaled.err, "its latents are scaled by 0.44")) << scaled.err;
}

const std::string kLora = SD_TEST_DATA "/networks/diffusers.safetensors";
constexpr const char* kChanged =
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight";

TEST_F(Convert, PutsALoraIntoTheWeightsInTheirOwnType) {
  const auto done = convert({kTiny, path("new.safetensors"), "--lora", kLora + ":0.5", "--merge"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(contains(done.err, "merged diffusers: 3 of 3 modules, rank 2")) << done.err;
  const auto before = open_model(kTiny).tensors,
             after = open_model(path("new.safetensors")).tensors;
  EXPECT_EQ(after->describe(kChanged).dtype, DType::kF16);
  const auto was = before->at(kChanged).bytes, is = after->at(kChanged).bytes;
  EXPECT_FALSE(std::equal(was.begin(), was.end(), is.begin(), is.end()));
}

TEST_F(Convert, WithALoraThatCountsNothingKeepsEveryByte) {
  const auto done = convert({kTiny, path("new.safetensors"), "--lora", kLora + ":0", "--merge"});
  EXPECT_EQ(done.code, 0) << done.err;
  const auto before = open_model(kTiny).tensors,
             after = open_model(path("new.safetensors")).tensors;
  const auto was = before->at(kChanged).bytes, is = after->at(kChanged).bytes;
  EXPECT_TRUE(std::equal(was.begin(), was.end(), is.begin(), is.end()));
}

TEST_F(Convert, AsksForMergeWhereALoraIsGiven) {
  const auto done = convert({kTiny, path("new.safetensors"), "--lora", kLora});
  EXPECT_EQ(done.code, 2);
  EXPECT_TRUE(contains(done.err, "--merge")) << done.err;
  EXPECT_TRUE(entries().empty());
}

TEST_F(Convert, RefusesAModelAsALora) {
  const auto done = convert({kTiny, path("new.safetensors"), "--lora", kTiny, "--merge"});
  EXPECT_EQ(done.code, 4);
  EXPECT_TRUE(contains(done.err, "found: Stable Diffusion v1")) << done.err;
  EXPECT_TRUE(entries().empty());
}

}  // namespace
}  // namespace sd
