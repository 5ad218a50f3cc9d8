// The arguments of the original's and the fork's scripts: their names and defaults.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/parser/option_groups.h"

namespace sd::cli {
namespace {

using Words = std::vector<std::string>;

/// The parser of a command after it has parsed `words`, which begin with the command's name.
class Parsed {
 public:
  Parsed(Command (*add)(CLI::App&), Words words) : command_(add(app_)) {
    app_.parse(Words(words.rbegin(), words.rend()));
  }
  CLI::App& operator*() const { return *command_.parser; }
  std::string preset(const std::string& option) const {
    return command_.parser->get_option(option)->get_default_str();
  }

 private:
  CLI::App app_;
  Command command_;
};

/// What all drawing scripts of the fork take.
Words common(const std::string& command) {
  return {command,
          "--prompt",
          "p",
          "--outdir",
          "o",
          "--skip_grid",
          "--skip_save",
          "--ddim_steps",
          "50",
          "--plms",
          "--fixed_code",
          "--ddim_eta",
          "0.0",
          "--n_iter",
          "1",
          "--C",
          "4",
          "--f",
          "8",
          "--n_samples",
          "3",
          "--n_rows",
          "0",
          "--scale",
          "7.5",
          "--from-file",
          "f",
          "--config",
          "c",
          "--ckpt",
          "m",
          "--seed",
          "42",
          "--precision",
          "autocast",
          "--is_get_attn",
          "--save_attn_dir",
          "d"};
}

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const Words kEditing = {"--init-img", "i", "--strength", "0.99", "--init-mask", "k", "--use_mask"};

TEST(OriginalArguments, AreAllKnownToTheCommandThatTakesTheScriptsPlace) {
  const Parsed parsed[] = {
      {add_txt2img, with(common("txt2img"), {"--laion400m", "--H", "512", "--W", "512"})},
      {add_img2img, with(common("img2img"), kEditing)},
      {add_img2img, with(common("editimg"), kEditing)},
      {add_swap, with(with(common("swap"), kEditing), {"--sprompt", "s", "--is-swap"})},
      {add_attn, {"attn", "--root",     "r", "--save_dir", "s",  "--slevel", "0", "--elevel",
                  "2",    "--stime",    "0", "--etime",    "49", "--res",    "1", "--token_idx",
                  "3",    "--img_path", "g", "--is_mid"}},
      {add_attn,
       {"attn", "--root", "r", "--num_sample", "3", "--num_level", "4", "--num_att_comp", "3",
        "--num_att_maps", "10", "--token_idx", "1"}},
  };
  for (const auto& command : parsed) {
    EXPECT_TRUE((*command).parsed());
    EXPECT_TRUE((*command).remaining().empty());
  }
}

TEST(OriginalArguments, HaveTheScriptsDefaults) {
  using Presets = std::map<std::string, std::string>;
  const struct {
    Parsed command;
    Presets presets;
  } cases[] = {
      {{add_txt2img, {"txt2img"}},
       {{"--outdir", "outputs/txt2img-samples"}, {"--n_samples", "3"}, {"--scale", "7.5"}}},
      {{add_img2img, {"editimg"}},
       {{"--outdir", "outputs/img2img-samples"},
        {"--n_samples", "2"},
        {"--n_iter", "1"},
        {"--scale", "5"}}},
      {{add_swap, {"swap"}},
       {{"--outdir", "outputs/swap-samples"},
        {"--n_samples", "2"},
        {"--n_iter", "1"},
        {"--scale", "7.5"}}},
      {{add_attn, {"attn"}}, {{"--token_idx", "3"}}},
  };
  for (const auto& script : cases) {
    auto presets = script.presets;
    if ((*script.command).get_name() != "attn") {
      presets.insert({{"--ddim_steps", "50"}, {"--ddim_eta", "0"}, {"--seed", "42"}});
    }
    for (const auto& [option, preset] : presets) {
      EXPECT_EQ(script.command.preset(option), preset)
          << (*script.command).get_name() << " " << option;
    }
  }
}

}  // namespace
}  // namespace sd::cli
