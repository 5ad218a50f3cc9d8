#include "cli/task_list.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "cli/grid_axes.h"
#include "sd/core/error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using Words = std::vector<std::string>;

TEST(TaskList, FormIsTakenFromTheBeginningOfALine) {
  EXPECT_EQ(form_of("a red apple --no options"), TaskForm::kPrompt);
  EXPECT_EQ(form_of("  --prompt x"), TaskForm::kOptions);
  EXPECT_EQ(form_of("{\"prompt\": \"x\"}"), TaskForm::kObject);
  EXPECT_EQ(form_of(" { \"prompt"), TaskForm::kObject);
  EXPECT_EQ(form_of("{}"), TaskForm::kObject);
  EXPECT_EQ(form_of("{red|green} apple"), TaskForm::kPrompt);
}

TEST(TaskList, PromptsAloneAreNoTasksUnlessTheFileSaysSo) {
  std::istringstream prompts("a\n# comment\nb\n"), options("a\n--prompt b\n");
  const auto plain = parse_prompt_list(prompts);
  EXPECT_FALSE(has_tasks(plain, "list.txt"));
  EXPECT_TRUE(has_tasks(plain, "list.jsonl"));
  EXPECT_TRUE(has_tasks(parse_prompt_list(options), "-"));
}

TEST(TaskList, BadLinesKeepTheNumbersOfTheOthers) {
  std::istringstream input("a\n\n\xff\n# c\n--prompt b\n");
  const auto tasks = task_lines(parse_prompt_list(input), "list.txt");
  ASSERT_EQ(tasks.size(), 3u);
  EXPECT_EQ(tasks[1].number, 1);
  EXPECT_EQ(tasks[1].line, 3);
  EXPECT_FALSE(tasks[1].trouble.empty());
  EXPECT_EQ(tasks[2].number, 2);
  EXPECT_EQ(tasks[2].line, 5);
  EXPECT_EQ(tasks[2].form, TaskForm::kOptions);
}

TEST(TaskList, AnArrayOfObjectsIsAListToo) {
  const test::TempFolder folder;
  test::write_text(folder / "tasks.json", "[{\"prompt\": \"a\"},\n {\"steps\": 3}]");
  const auto tasks = task_lines(read_task_list(folder / "tasks.json"), "tasks.json");
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[1].text, "{\"steps\":3}");
  EXPECT_EQ(tasks[1].line, 2);
  for (const char* text : {"[{\"prompt\": \"a\"}", "{}", "[]", "3", "", "[\xff]", "[1e9999]"}) {
    test::write_text(folder / "bad.json", text);
    EXPECT_THROW(read_task_list(folder / "bad.json"), UsageError) << text;
  }
  EXPECT_THROW(read_task_list(folder / "none.json"), IoError);
}

// Reference: Python's shlex.split.
TEST(SplitWords, FollowsTheShell) {
  EXPECT_EQ(split_words("--prompt \"a red apple\"  --steps 20"),
            (Words{"--prompt", "a red apple", "--steps", "20"}));
  EXPECT_EQ(split_words("--prompt 'say \"hi\"' \\#x"), (Words{"--prompt", "say \"hi\"", "#x"}));
  EXPECT_EQ(split_words("--prompt \"a \\\"b\\\" \\n\""), (Words{"--prompt", "a \"b\" \\n"}));
  EXPECT_EQ(split_words("--negative-prompt ''"), (Words{"--negative-prompt", ""}));
  EXPECT_EQ(split_words("a\"b c\"d"), (Words{"ab cd"}));
  EXPECT_TRUE(split_words(" \t ").empty());
  EXPECT_THROW(split_words("--prompt \"a"), UsageError);
  EXPECT_THROW(split_words("--prompt 'a"), UsageError);
}

TEST(GridAxes, HoldOptionsWithTheirValues) {
  const auto axes = parse_grid("scale=1.5, 2 ,3; sampler=ddim,plms");
  ASSERT_EQ(axes.size(), 2u);
  EXPECT_EQ(axes[0].key, "scale");
  EXPECT_EQ(axes[0].values, (Words{"1.5", "2", "3"}));
  EXPECT_EQ(axes[1].key, "sampler");
  EXPECT_EQ(axes[1].values, (Words{"ddim", "plms"}));
}

TEST(GridAxes, QuotedAndEscapedSignsAreText) {
  const auto axes = parse_grid("prompt=\"a cat, a dog; x\",b\\,c,\"\",a=b;steps=3");
  ASSERT_EQ(axes.size(), 2u);
  EXPECT_EQ(axes[0].values, (Words{"a cat, a dog; x", "b,c", "", "a=b"}));
}

TEST(GridAxes, MalformedOnesAreErrors) {
  for (const char* text : {"", "scale", "scale=", "=1", "scale=1,", "scale=1;;steps=2", "scale=\"1",
                           "scale=1;scale=2", "n_iter=1;n-iter=2", ";"})
    EXPECT_THROW(parse_grid(text), UsageError) << text;
}

}  // namespace
}  // namespace sd::cli
