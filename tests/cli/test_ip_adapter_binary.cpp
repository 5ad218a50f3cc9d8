// --ip-adapter through the binary on the tiny model.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/metadata.h"
#include "sd/image/png.h"
#include "support/ip_adapter_files.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;
using Names = std::vector<std::string>;

/// A run with adapters, their tower and a picture in its folder.
class IpAdapterRun : public TinyRun {
 public:
  IpAdapterRun() {
    test::write_tower(path("").parent_path());
    file("plain.safetensors", test::weights_file(test::adapter_shapes("plain")));
    const auto png = encode_png(test::followed_picture());
    file("cat.png", {reinterpret_cast<const char*>(png.data()), png.size()});
  }

  /// "ADAPTER:PICTURE" and what stands behind it.
  std::string value(const std::string& more = "") const {
    return path("plain.safetensors").string() + ":" + path("cat.png").string() + more;
  }
  test::Finished draw(Names arguments) const {
    const Names small = {"--prompt", "a cat", "--n_samples", "1",  "--n_iter", "1", "--skip_grid",
                         "--W",      "64",    "--H",         "64", "--steps",  "2"};
    arguments.insert(arguments.end(), small.begin(), small.end());
    return (*this)(arguments);
  }
};

TEST(IpAdapterBinary, APictureIsFollowedByItsWeight) {
  const IpAdapterRun run;
  for (const Names& arguments :
       {Names{}, Names{"--ip-adapter", run.value()}, Names{"--ip-adapter", run.value(":0.3")},
        Names{"--ip-adapter", run.value(":0")}}) {
    const auto finished = run.draw(arguments);
    ASSERT_EQ(finished.code, 0) << finished.err;
  }
  const auto plain = run.sample("00000.png").pixels, whole = run.sample("00001.png").pixels;
  EXPECT_NE(whole, plain);
  EXPECT_NE(run.sample("00002.png").pixels, whole);
  EXPECT_EQ(run.sample("00003.png").pixels, plain);
}

TEST(IpAdapterBinary, APictureSaysHowToDrawItAgain) {
  const IpAdapterRun run;
  const auto drawn =
      run.draw({"--ip-adapter", run.value(":0.6:0:0.5"), "--ip-weights", "style", "--json"});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  const auto line = test::image_lines(drawn).at(0);
  EXPECT_EQ(
      line.at("ip_adapter").dump(),
      R"([{"adapter":"plain.safetensors","picture":"cat.png","steps":[0.0,0.5],"weight":0.6}])");
  EXPECT_EQ(line.at("ip_weights"), "style");
  const auto parameters = read_metadata(run.sample_path(0)).parameters.value_or("");
  EXPECT_TRUE(contains(parameters, "IP-Adapter: plain.safetensors (cat.png) 0.6 from 0 to 0.5"))
      << parameters;

  const auto asked = test::run_sd({"info", "--as-args", run.sample_path(0).string()});
  EXPECT_FALSE(contains(asked.err, "ip-adapter")) << asked.err;
  test::ProcessSetup shell;
  shell.binary = "/bin/sh";
  shell.arguments = {"-c", "PATH=\"$SD_FOLDER:$PATH\"; cd " + run.path("").string() + "; " +
                               asked.out.substr(0, asked.out.find('\n')) + " --outdir again"};
  shell.environment = {{"XDG_CACHE_HOME", run.path("cache").string()},
                       {"SD_FOLDER", std::filesystem::path(SD_BINARY).parent_path().string()}};
  const auto again = run_program(shell);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(test::read_text(run.path("again/samples/00000.png")),
            test::read_text(run.sample_path(0)));

  run.file("cat.png", "another one");
  EXPECT_TRUE(contains(test::run_sd({"info", "--as-args", run.sample_path(0).string()}).err,
                       "cat.png has changed since"));
}

TEST(IpAdapterBinary, WhatCannotBeUsedIsSaid) {
  const IpAdapterRun run;
  const auto expect = [&](const Names& arguments, int code, const char* part) {
    const auto finished = run.draw(arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  };
  expect({"--ip-adapter", "a.safetensors"}, 2, "is not ADAPTER:PICTURE");
  expect({"--ip-adapter", run.value(":0.5:0.7:0.2")}, 2, "no step");
  expect({"--ip-adapter", "no.safetensors:" + run.path("cat.png").string()}, 5, "no.safetensors");
  expect({"--ip-adapter", run.path("plain.safetensors").string() + ":no.png"}, 5, "no.png");
  expect({"--ip-adapter", run.path("cat.png").string() + ":" + run.path("cat.png").string()}, 4,
         "a PNG picture");
  expect({"--ip-weights", "style"}, 2, "belongs to --ip-adapter");
  expect({"--ckpt", run.path("plain.safetensors").string()}, 4, "--ip-adapter");
  std::filesystem::remove_all(run.path("image_encoder"));
  expect({"--ip-adapter", run.value()}, 5, "--ip-vision");
}

TEST(IpAdapterBinary, InfoDescribesOne) {
  const IpAdapterRun run;
  const auto finished = test::run_sd({"info", run.path("plain.safetensors").string()});
  EXPECT_EQ(finished.code, 0) << finished.err;
  for (const char* part : {"kind: ip-adapter", "adapter: plain", "tokens: 4", "layers: 16"})
    EXPECT_TRUE(contains(finished.out, part)) << finished.out;
}

}  // namespace
}  // namespace sd
