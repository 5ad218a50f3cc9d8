// Holds docs/json.md and what the program writes together: every key of every line is on the page
// in the section of its kind, and every key of the page is in a line.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/tiny_run.h"
#include "support/embedding_bytes.h"
#include "support/ip_adapter_files.h"
#include "support/tiny_adapter.h"

namespace sd {
namespace {

using test::TinyRun;
using Keys = std::map<std::string, std::set<std::string>>;  // by section of the page

/// The words in backticks of `text`.
std::vector<std::string> quoted(std::string_view text) {
  std::vector<std::string> words;
  for (auto begin = text.find('`'); begin != text.npos;) {
    const auto end = text.find('`', begin + 1);
    if (end == text.npos) break;
    words.emplace_back(text.substr(begin + 1, end - begin - 1));
    begin = text.find('`', end + 1);
  }
  return words;
}

/// The first column of the table below each heading of a kind. "## `image` of `sd info`" is section
/// "image of sd info".
Keys keys_of_page() {
  Keys keys;
  std::ifstream page(SD_SOURCE_DIR "/docs/json.md");
  std::string section;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) {
      section = line.starts_with("## `") ? line.substr(3) : "";
      std::erase(section, '`');
    }
    if (section.empty() || !line.starts_with("| `")) continue;
    for (auto& key : quoted(std::string_view(line).substr(0, line.find('|', 1))))
      keys[section].insert(std::move(key));
  }
  return keys;
}

/// What a command wrote. Also checks that each line is an object of this schema.
void collect(const test::Finished& finished, Keys& keys, bool info = false) {
  for (const auto& line : finished.lines()) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(json.is_object()) << line << "\n" << finished.err;
    EXPECT_EQ(json.value("schema", 0), 1) << line;
    auto section = json.value("kind", "");
    if (info && section == "image") section += " of sd info";
    for (const auto& [key, value] : json.items()) {
      if (key != "kind" && key != "schema") keys[section].insert(key);
    }
  }
}

/// Small runs that between them write every kind of line with every key.
Keys keys_of_runs() {
  Keys keys;
  const TinyRun run;
  const std::string model = SD_TEST_DATA "/tiny-v1.ckpt";
  const auto txt2img = [&](const std::vector<std::string>& arguments, const char* command) {
    auto setup = run.setup(arguments);
    setup.arguments[0] = command;
    setup.arguments.insert(setup.arguments.end(),
                           {"--json", "-q", "--W", "64", "--H", "64", "--steps", "1"});
    collect(run_program(setup), keys);
  };
  txt2img({"--prompt", "a {red|blue} cat", "--combinations", "--n_iter", "1", "--reweight", "cat=2",
           "--variation", "7:0.1", "--guidance-rescale", "0.5", "--vae", model, "--clip", model,
           "--attn", run.path("maps").string()},
          "txt2img");
  const auto picture = run.sample_path(0).string();
  const auto learnt = run.file("ink.safetensors", test::embedding_bytes("<ink>", 1, 32));
  test::write_tower(run.path("").parent_path());
  const auto adapter =
      run.file("plain.safetensors", test::weights_file(test::adapter_shapes("plain")));
  txt2img({"--prompt", "ink", "--embedding", learnt, "--n_iter", "1", "--ip-adapter",
           adapter + ":" + picture, "--ip-vision", run.path("image_encoder").string(),
           "--ip-weights", "style"},
          "txt2img");
  const auto net = run.file("adapter.safetensors", test::tiny_adapter_file());
  txt2img({"--prompt", "a", "--control", net + ":" + picture}, "txt2img");
  txt2img({"--sprompt", "a cat", "--prompt", "a dog", "--mode", "p2p", "--init-img", picture,
           "--n_samples", "1"},
          "swap");
  txt2img({"--sprompt", "a cat", "--prompt", "a dog", "--dry-run"}, "swap");
  for (const std::vector<std::string>& way :
       {std::vector<std::string>{"--masactrl", "--masactrl-mask", "cat", "--masactrl-mask", "dog",
                                 "--masactrl-res", "64"},
        {"--pnp"},
        {"--appearance", "--appearance-from", picture, "--appearance-prompt", "a",
         "--appearance-object", picture, "--appearance-onto", picture}}) {
    auto arguments = way;
    arguments.insert(arguments.end(),
                     {"--sprompt", "a cat", "--prompt", "a dog", "--n_samples", "1"});
    txt2img(arguments, "swap");
  }
  txt2img({"--prompt", "a", "--n_samples", "1", "--reference", picture}, "txt2img");
  txt2img({"--prompt", "a", "--n_iter", "1", "--style-aligned"}, "txt2img");
  const auto list = run.file("tasks.jsonl", "{\"prompt\": \"a\"}\n{}\n");
  txt2img({"--from-file", list, "--guidance-interval", "0.5:1", "--deepcache", "2", "--tome", "0.5",
           "--weights", "int8", "--exact-conv"},
          "txt2img");
  txt2img({"--prompt",
           "a",
           "--n_samples",
           "1",
           "--sampler",
           "tcd",
           "--tcd-gamma",
           "0.5",
           "--pag",
           "1",
           "--pag-layers",
           "mid,up",
           "--pag-adaptive",
           "0.1",
           "--sag",
           "1",
           "--sag-sigma",
           "2",
           "--freeu",
           "1.1,1.2,0.9,0.8",
           "--freeu-version",
           "1",
           "--freeu-interval",
           "0:0.5",
           "--dynamic-threshold",
           "7:0.9",
           "--apg",
           "0.5:10:-0.5",
           "--nag",
           "2",
           "--nag-tau",
           "2",
           "--nag-alpha",
           "0.5"},
          "txt2img");
  txt2img({"--prompt", "a", "--n_samples", "1", "--timesteps", "trailing", "--zero-terminal-snr",
           "--prediction", "v", "--seg", "1", "--seg-sigma", "2", "--seg-layers", "mid,up"},
          "txt2img");
  const std::vector<std::string> one = {"--prompt", "a cat", "--n_samples", "1", "--n_iter", "1"};
  for (const auto& more : std::vector<std::vector<std::string>>{
           {"--region", "0,0,0.5,1:a dog", "--region-base", "0.3", "--region-feather", "4",
            "--region-mode", "attention"},
           {"--edit", "+dog:5"},
           {"--excite", "cat"}}) {
    auto words = one;
    words.insert(words.end(), more.begin(), more.end());
    txt2img(words, "txt2img");
  }
  txt2img({"--from-file", list, "--resume"}, "txt2img");
  txt2img({"--from-file", run.file("list.txt", "a\n\xff\n")}, "txt2img");
  txt2img({"--prompt", "a", "--grid", "init-latents=" + run.file("latents.npy", "none")},
          "txt2img");
  txt2img({"--stepz", "3"}, "txt2img");
  test::ProcessSetup bench;
  bench.arguments = {"bench", "--ckpt", model, "--size", "64", "--steps", "1", "--json", "-q"};
  collect(run_program(bench), keys);
  bench.arguments.push_back("--wait");
  bench.input = "unet\nlimit\n";
  collect(run_program(bench), keys);
  const auto inverted = run.path("picture.inv.safetensors").string();
  collect(test::run_sd({"invert",
                        picture,
                        "--ckpt",
                        model,
                        "--prompt",
                        "a",
                        "--steps",
                        "1",
                        "--lora",
                        SD_TEST_DATA "/networks/ink.safetensors",
                        "-o",
                        inverted,
                        "--control",
                        net + ":" + picture,
                        "--ip-adapter",
                        adapter + ":" + picture,
                        "--ip-vision",
                        run.path("image_encoder").string(),
                        "--reconstruct",
                        run.path("again.png").string(),
                        "--json",
                        "-q"}),
          keys);
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"convert", "--json", "-q", model, run.path("new.safetensors").string()},
           {"info", "--json", picture, run.path("new.safetensors").string(), learnt, adapter,
            inverted, SD_TEST_DATA "/networks/diffusers.safetensors", "nothing"},
           {"info", "--json", "--as-args", picture},
           {"samplers", "--json"},
           {"preprocess", "canny", picture, "-o", run.path("edges.png").string(), "--json"},
           {"doctor", "--json", "--torch"}})
    collect(test::run_sd(arguments), keys, arguments.front() == "info");
  return keys;
}

TEST(JsonPage, NamesEveryKeyThatIsWrittenAndNoOther) {
  const auto page = keys_of_page();
  auto written = keys_of_runs();
  for (const auto& [section, keys] : written) {
    ASSERT_TRUE(page.contains(section)) << "docs/json.md has no section for " << section;
    for (const auto& key : keys)
      EXPECT_TRUE(page.at(section).contains(key))
          << section << ": " << key << " is not on the page";
  }
  for (const auto& [section, keys] : page) {
    for (const auto& key : keys)
      EXPECT_TRUE(written[section].contains(key)) << section << ": " << key << " is not written";
  }
}

TEST(JsonErrors, HaveMessageCodeAndHint) {
  const auto lines = test::run_sd({"txt2img", "--json", "--sampler", "eulr"}).lines();
  ASSERT_EQ(lines.size(), 1u);
  const auto error = nlohmann::json::parse(lines.front());
  EXPECT_EQ(error.at("kind"), "error");
  EXPECT_EQ(error.at("code"), 2);
  EXPECT_TRUE(error.at("message").get<std::string>().starts_with("--sampler: 'eulr'"));
  EXPECT_TRUE(error.at("hint").get<std::string>().starts_with("Did you mean 'euler'?"));
}

TEST(JsonErrors, ComeFromEveryCommand) {
  const std::vector<std::pair<std::vector<std::string>, int>> cases = {
      {{"txt2img", "--json", "--ckpt", "nowhere.ckpt", "--prompt", "a"}, 5},
      {{"swap", "--json", "--prompt", "a", "--sprompt", "b", "--sprompt", "c"}, 2},
      {{"img2img", "--json", "--prompt", "a"}, 2},
      {{"info", "--json", "nowhere.png"}, 5},
      {{"convert", "--json"}, 2},
      {{"attn", "--json", "--from", "nowhere", "--prompt", "a"}, 5},
      {{"--json"}, 2},
  };
  for (const auto& [arguments, code] : cases) {
    const auto finished = test::run_sd(arguments);
    EXPECT_EQ(finished.code, code) << finished.err;
    const auto lines = finished.lines();
    ASSERT_FALSE(lines.empty()) << arguments.front();
    const auto error = nlohmann::json::parse(lines.back());
    EXPECT_EQ(error.at("kind"), "error") << lines.back();
    EXPECT_EQ(error.at("code"), finished.code);
    EXPECT_FALSE(finished.err.empty());
  }
}

TEST(JsonErrors, OfAListNameItsLines) {
  const TinyRun run;
  const auto finished = run({"--from-file", run.file("list.txt", "a\n\xff\n"), "--n_iter", "1",
                             "--steps", "1", "--skip_grid", "--json"});
  EXPECT_EQ(finished.code, 3);
  const auto error = nlohmann::json::parse(finished.lines().front());
  EXPECT_EQ(error.at("kind"), "error");
  EXPECT_EQ(error.at("lines"), nlohmann::json::array({2}));
}

TEST(JsonLines, SecondsOfARunAddUpToItsTime) {
  const TinyRun run;
  const auto lines = test::image_lines(run({"--prompt", "a", "--n_samples", "2", "--n_iter", "1",
                                            "--steps", "1", "--skip_grid", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_GT(lines[0].at("seconds"), 0);
  EXPECT_EQ(lines[0].at("seconds"), lines[1].at("seconds"));  // of one batch
}

}  // namespace
}  // namespace sd
