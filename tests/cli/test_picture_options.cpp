// Options of picture files, as completion, settings and repeated commands see them.
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <set>

#include "cli/commands/commands.h"
#include "cli/options/picture_options.h"
#include "cli/parser/app_outline.h"
#include "cli/parser/given_command.h"
#include "cli/record/repeat_args.h"

namespace sd::cli {
namespace {

std::vector<std::string> words_of_option(const CLI::App& command, const char* name) {
  return outline_of(*command.get_option(name)).words;
}

TEST(PictureOptions, CompletionOffersTheirWords) {
  CLI::App app;
  const auto command = add_txt2img(app);
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of_option(*command.parser, "--format"), (Words{"png", "jpeg", "webp"}));
  EXPECT_EQ(words_of_option(*command.parser, "--preview"), (Words{"kitty", "iterm", "sixel"}));
}

TEST(GivenCommand, IsInTheOrderOfTheHelp) {
  CLI::App app;
  const auto command = add_txt2img(app);
  app.parse("txt2img --plms --seed 3 --steps=7 --seed 4 --prompt \"a b\" --skip-grid --scale -2",
            false);
  const auto given = given_command(*command.parser);
  EXPECT_EQ(given.name, "txt2img");
  EXPECT_EQ(given.options, (std::vector<GivenOption>{{"prompt", "a b"},
                                                     {"ddim_steps", "7"},
                                                     {"plms", std::nullopt},
                                                     {"scale", "-2"},
                                                     {"seed", "4"},
                                                     {"skip_grid", std::nullopt}}));
  EXPECT_TRUE(given.has("skip-grid"));
  EXPECT_FALSE(given.has("steps"));
}

TEST(GivenCommand, HoldsEveryValueOfAnOptionGivenAgainAndNoFlagThatIsFalse) {
  CLI::App app;
  const auto command = add_swap(app);
  app.parse("swap --prompt a --prompt b --sprompt c", false);
  command.parser->get_option("--plms")->add_result("false");
  EXPECT_EQ(given_command(*command.parser).options,
            (std::vector<GivenOption>{{"prompt", "a"}, {"prompt", "b"}, {"sprompt", "c"}}));
}

/// A new option that names a file or folder must be an input, whose change is noticed, or be left
/// out of what pictures repeat, since they could name any place.
TEST(RepeatArgs, EveryFileOfADrawingCommandIsAccountedFor) {
  CLI::App app;
  std::set<std::string> folders;
  for (const auto& command : {add_txt2img(app), add_img2img(app), add_swap(app), add_attn(app)}) {
    for (const CLI::Option* option : command.parser->get_options()) {
      const auto outline = outline_of(*option);
      const bool file = outline.kind == ValueKind::kFile || outline.kind == ValueKind::kFolder ||
                        outline.kind == ValueKind::kModel;
      const auto name = option->get_lnames().empty() ? std::string() : option->get_lnames().front();
      if (!file || names_input_file(name) || names_model_file(name)) continue;
      const auto repeated = command_of_words({command.parser->get_name(), "--" + name, "x"});
      ASSERT_TRUE(repeated) << name;
      if (!repeated->options.empty()) folders.insert(name);
    }
  }
  EXPECT_EQ(folders, std::set<std::string>());
}

}  // namespace
}  // namespace sd::cli
