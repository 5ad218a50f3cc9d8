#include <gtest/gtest.h>

#include <string>

#include "cli/models/named_models.h"
#include "cli/sd_home.h"

namespace sd {
namespace {

using test::expect_error;
using test::SdHome;

/// `name` is found: what is wrong besides is said, which is looked at after the model.
void expect_found(const SdHome& sd, const std::string& name) {
  std::filesystem::create_directories(sd.path("taken/latents.npy"));
  expect_error(sd({"txt2img", "--ckpt", name, "--save-latents", "taken", "-q"}), 5,
               {"latents.npy"});
}

TEST(ModelsFolder, FindsByNameFileAndBeginning) {
  SdHome sd;
  sd.add_model("dreamshaper.safetensors");
  sd.add_model("dream 2.ckpt");
  std::filesystem::create_directory(sd.path("models/demo"));
  sd.add_model("demo/model.ckpt");
  for (const char* name :
       {"dreamshaper", "dreamshaper.safetensors", "dreamsh", "dream 2", "demo", "de"})
    expect_found(sd, name);
}

TEST(ModelsFolder, LinksToNowhereAreNamed) {
  SdHome sd;
  sd.set("SD_MODELS_DIR", sd.path("models"));
  std::filesystem::create_symlink("moved/gone.safetensors", sd.path("models/gone.safetensors"));
  for (const char* name : {"gone", "gone.safetensors", "go", "models/gone.safetensors"}) {
    expect_error(sd({"txt2img", "--ckpt", name}), 5,
                 {"--ckpt: ", "gone.safetensors is a link to moved/gone.safetensors"});
  }
}

TEST(ModelsFolder, LinksToNowhereAreNamedWhereAFileIsGiven) {
  SdHome sd;
  std::filesystem::create_symlink("moved/x", sd.path("x"));
  for (const char* option : {"--vae", "--clip", "--config"}) {
    expect_error(sd({"txt2img", option, "x"}), 5,
                 {std::string(option) + ": x is a link to moved/x"});
  }
  sd.add_model("a.ckpt");
  std::filesystem::remove(sd.path("models/a.yaml"));
  std::filesystem::create_symlink("moved/a.yaml", sd.path("models/a.yaml"));
  expect_error(sd({"txt2img", "--ckpt", "a"}), 5, {"a.yaml is a link to moved/a.yaml"});
}

TEST(ModelsFolder, SuggestsTheNearestName) {
  SdHome sd;
  sd.add_model("dreamshaper.safetensors");
  expect_error(
      sd({"txt2img", "--ckpt", "dreamshapr"}), 5,
      {"--ckpt: dreamshapr does not exist", "SD_MODELS_DIR", "Did you mean 'dreamshaper'?"});
}

TEST(ModelsFolder, AmbiguousBeginningsAreListed) {
  SdHome sd;
  sd.add_model("photo-a.ckpt");
  sd.add_model("photo-b.ckpt");
  expect_error(sd({"txt2img", "--ckpt", "photo"}), 5, {"may be any of photo-a, photo-b"});
}

TEST(ModelsFolder, APathThatIsThereWins) {
  SdHome sd;
  sd.add_model("here.ckpt");
  test::write_text(sd.path("here.ckpt"), "no checkpoint");
  const auto finished = sd({"txt2img", "--ckpt", "here.ckpt", "-q"});
  EXPECT_NE(finished.code, 0);
  EXPECT_EQ(finished.err.find("SD_MODELS_DIR"), std::string::npos) << finished.err;
}

TEST(ModelsFolder, ThatIsNoFolder) {
  SdHome sd;
  sd.set("SD_MODELS_DIR", sd.path("absent"));
  expect_error(sd({"txt2img", "--ckpt", "x"}), 5, {"SD_MODELS_DIR", "is not a folder"});
  EXPECT_EQ(sd({"completion", "--models"}).code, 0);
}

TEST(ModelsFolder, NamesAreShortSortedAndSafe) {
  SdHome sd;
  sd.add_model("b.safetensors");
  sd.add_model("b.ckpt");
  sd.add_model("a.ckpt");
  sd.add_model("evil\x1b[31m.ckpt");
  test::write_text(sd.path("models/readme.txt"), "");
  std::filesystem::create_directory(sd.path("models/previews"));
  EXPECT_EQ(sd({"completion", "--models"}).out, "a\nb\n");
}

}  // namespace
}  // namespace sd
