#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "cli/tasks/grid_axes.h"
#include "cli/tasks/task_list.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
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

TEST(TaskList, DashesThatBeginNoOptionBeginAPrompt) {
  for (const char* prompt : {"-- a cat", "--", "---- a cat ----", "- a cat", "--- poster ---",
                             "--1 cat", "-a cat", "\u2014 a cat"})
    EXPECT_EQ(form_of(prompt), TaskForm::kPrompt) << prompt;
}

TEST(TaskList, AnArrayIsTakenForNoPrompt) {
  for (const char* line : {"[", " ] ", "[{\"prompt\": \"a\"}]", "[ {", "{"})
    EXPECT_EQ(form_of(line), TaskForm::kObject) << line;
  for (const char* prompt : {"[a cat:a dog:0.5]", "[cat]", "[{red|green} cat::0.5]", "{red|green}"})
    EXPECT_EQ(form_of(prompt), TaskForm::kPrompt) << prompt;
}

TEST(TaskList, AListWithBothPromptsAndOptionsSaysWhatThatMeans) {
  std::istringstream mixed("a cat\n\n--prompt b --steps 3\nc\n"),
      alike("--prompt a\n{\"prompt\":1}\n");
  const auto notice =
      mixed_list_notice(task_lines(parse_prompt_list(mixed), "list.txt"), "list.txt");
  EXPECT_TRUE(notice.starts_with("list.txt: line 3 has options of its own, so each of the 3 lines"))
      << notice;
  EXPECT_EQ(mixed_list_notice(task_lines(parse_prompt_list(alike), "-"), "-"), "");
}

TEST(TaskList, AnElementWithAKeyTwiceIsABadLine) {
  const test::TempFolder folder;
  test::write_text(folder / "tasks.json",
                   "[{\"prompt\": \"a\"}, 3, {\"steps\": 3, \"x\": {\"x\": 1}, \"steps\": 4}, []]");
  const auto tasks = task_lines(read_task_list(folder / "tasks.json"), "tasks.json");
  ASSERT_EQ(tasks.size(), 4u);
  EXPECT_EQ(tasks[0].trouble, "");
  EXPECT_EQ(tasks[2].trouble, "it has the key 'steps' twice");
  for (const std::size_t i : {1, 3}) EXPECT_TRUE(tasks[i].trouble.starts_with("is JSON, but")) << i;
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

TEST(TaskList, AnArrayNestedDeeperThanAnyTaskIsRefused) {
  const test::TempFolder folder;
  test::write_text(folder / "deep.json", std::string(1000, '[') + std::string(1000, ']'));
  test::expect_error<UsageError>([&] { read_task_list(folder / "deep.json"); }, "deep.json",
                                 "nested more than 32 deep");
}

TEST(TaskList, ElementsOfAnArrayThatAreNoTasksAreCounted) {
  const test::TempFolder folder;
  test::write_text(folder / "tasks.json", "[{\"prompt\": \"a\", \"prompt\": \"b\"}, 3, [4], {}]");
  const auto list = read_task_list(folder / "tasks.json");
  ASSERT_EQ(list.bad_lines.size(), 3u);
  EXPECT_NE(list.bad_lines[0].reason.find("'prompt' twice"), std::string::npos);
  EXPECT_EQ(list.bad_lines[2].line, 3);
  ASSERT_EQ(list.prompts.size(), 1u);
  EXPECT_EQ(list.prompts[0].line, 4);
}

TEST(TaskList, AnArrayMayBeSpreadOverLinesOfAnyFile) {
  const test::TempFolder folder;
  test::write_text(folder / "list.txt",
                   "[\n  {\n    \"prompt\": \"a\",\n    \"steps\": 3\n  },\n"
                   "  {\"prompt\": \"b\"}\n]\n");
  const auto tasks = task_lines(read_task_list(folder / "list.txt"), "list.txt");
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0].text, "{\"prompt\":\"a\",\"steps\":3}");
  EXPECT_EQ(tasks[1].form, TaskForm::kObject);
}

TEST(TaskList, AnObjectOverSeveralLinesIsNamed) {
  const test::TempFolder folder;
  test::write_text(folder / "list.jsonl", "{\"prompt\": \"a\"}\n {\n  \"prompt\": \"b\"\n}\n");
  test::expect_error<UsageError>([&] { read_task_list(folder / "list.jsonl"); },
                                 "line 2 begins an object", "jq -c");
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
