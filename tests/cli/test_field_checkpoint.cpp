// Checkpoints as users have them, drawn from: each gives the picture of the plain one.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/png.h"
#include "sd/weights/open.h"
#include "sd/weights/write_safetensors.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;
using test::contains;
using test::Finished;

constexpr const char* kTiny = SD_TEST_DATA "/tiny-v1.ckpt";
constexpr const char* kFolder = SD_TEST_DATA "/tiny-v1-diffusers";
constexpr const char* kYaml = SD_TEST_DATA "/tiny-v1.yaml";

class FieldCheckpoint : public ::testing::Test {
 protected:
  Finished command(const std::string& name, const Arguments& arguments) const {
    auto all = Arguments{"--H",         "64", "--W",      "64", "--ddim_steps", "1",
                         "--n_samples", "1",  "--n_iter", "1",  "--skip_grid"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    auto setup = run.setup(all);
    setup.arguments.front() = name;
    return test::run_program(setup);
  }
  /// The picture that txt2img draws with these arguments.
  std::vector<uint8_t> picture(const Arguments& arguments) {
    const auto finished = command("txt2img", arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    err = finished.err;
    return run.sample(run.samples().back()).pixels;
  }
  /// The tiny model without the tensors below `prefix`, its configuration beside it.
  std::string without(const std::string& prefix) const {
    const auto model = open_model(kTiny);
    std::vector<NamedTensor> tensors;
    for (const auto& name : model.tensors->names()) {
      if (!name.starts_with(prefix)) tensors.push_back({name, model.tensors->at(name)});
    }
    write_safetensors(run.path("cut.safetensors"), tensors);
    fs::copy_file(kYaml, run.path("cut.yaml"));
    return run.path("cut.safetensors");
  }
  fs::path folder() const {
    fs::copy(kFolder, run.path("folder"), fs::copy_options::recursive);
    return run.path("folder");
  }

  test::TinyRun run;
  std::string err;
};

TEST_F(FieldCheckpoint, PartsFromElsewhereCompleteIt) {
  const auto plain = picture({});
  EXPECT_EQ(picture({"--ckpt", without("first_stage_model."), "--vae", kTiny}), plain);
}

TEST_F(FieldCheckpoint, ATextEncoderFromElsewhereCompletesIt) {
  const auto plain = picture({});
  EXPECT_EQ(picture({"--ckpt", without("cond_stage_model."), "--clip", kTiny}), plain);
}

TEST_F(FieldCheckpoint, PartsFromElsewhereCompleteItInEveryCommand) {
  const auto cut = without("first_stage_model.");
  const Image grey{64, 64, 3, std::vector<uint8_t>(64 * 64 * 3, 128)};
  const auto png = encode_png(grey);
  const auto start = run.file("start.png", {reinterpret_cast<const char*>(png.data()), png.size()});
  for (const auto& [name, more] :
       {std::pair{"img2img", Arguments{"--init-img", start, "--strength", "1"}},
        std::pair{"swap", Arguments{"--sprompt", "a cat", "--prompt", "a dog"}},
        std::pair{"attn", Arguments{"--prompt", "a cat"}}}) {
    auto arguments = Arguments{"--ckpt", cut, "--vae", kTiny};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto finished = command(name, arguments);
    EXPECT_EQ(finished.code, 0) << name << finished.err;
  }
}

TEST_F(FieldCheckpoint, AShorterConfigurationIsAClipSkip) {
  const auto skipped = picture({"--ckpt", kFolder, "--clip-skip", "2"});
  const auto config = folder() / "text_encoder/config.json";
  auto json = nlohmann::json::parse(test::read_text(config));
  ASSERT_EQ(json.at("num_hidden_layers"), 2);
  json["num_hidden_layers"] = 1;
  test::write_text(config, json.dump());
  EXPECT_EQ(picture({"--ckpt", run.path("folder")}), skipped);
}

TEST_F(FieldCheckpoint, AVariantIsReadAndSaid) {
  const auto plain = picture({"--ckpt", kFolder});
  const auto unet = folder() / "unet";
  fs::rename(unet / "diffusion_pytorch_model.safetensors",
             unet / "diffusion_pytorch_model.bf16.safetensors");
  EXPECT_EQ(picture({"--ckpt", run.path("folder")}), plain);
  EXPECT_TRUE(contains(err, "read the variant 'bf16' of unet")) << err;
}

}  // namespace
}  // namespace sd
