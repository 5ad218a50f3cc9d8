#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <streambuf>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/plan/prompt_list.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using test::expect_error;
using test::TempFolder;
using test::write_text;

PromptList parse(const std::string& text) {
  std::istringstream input(text);
  return parse_prompt_list(input);
}

TEST(PromptList, ReadsAPromptALineWithItsNumber) {
  const auto list = parse("a red apple\n\n# a comment\n  \na cat");
  ASSERT_EQ(list.prompts.size(), 2u);
  EXPECT_EQ(list.prompts[0].text, "a red apple");
  EXPECT_EQ(list.prompts[0].line, 1);
  EXPECT_EQ(list.prompts[1].text, "a cat");
  EXPECT_EQ(list.prompts[1].line, 5);
  EXPECT_TRUE(list.bad_lines.empty());
}

TEST(PromptList, ReadsFilesOfWindows) {
  const auto list = parse(
      "\xEF\xBB\xBF"
      "a dog\r\na cat\r\n");
  ASSERT_EQ(list.prompts.size(), 2u);
  EXPECT_EQ(list.prompts[0].text, "a dog");
  EXPECT_EQ(list.prompts[1].text, "a cat");
}

TEST(PromptList, LinesEndWithEitherSignOrBoth) {
  const auto list = parse("a\rb\r\nc\n\r\rd\n\ne\r");
  ASSERT_EQ(list.prompts.size(), 5u);
  const std::vector<std::pair<int64_t, std::string>> expected = {
      {1, "a"}, {2, "b"}, {3, "c"}, {6, "d"}, {8, "e"}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(list.prompts[i].line, expected[i].first);
    EXPECT_EQ(list.prompts[i].text, expected[i].second);
  }
}

TEST(PromptList, ReadsUtf16) {
  for (const bool little : {true, false}) {
    std::string text = little ? "\xFF\xFE" : "\xFE\xFF";
    for (const char c : std::string("a dog\r\n# x\r\na cat")) {
      text += little ? std::string{c, '\0'} : std::string{'\0', c};
    }
    const auto list = parse(text);
    ASSERT_EQ(list.prompts.size(), 2u);
    EXPECT_EQ(list.prompts[0].text, "a dog");
    EXPECT_EQ(list.prompts[1].text, "a cat");
    EXPECT_EQ(list.prompts[1].line, 3);
  }
}

TEST(PromptList, HalfASurrogatePairIsABadLineOfUtf16) {
  const auto list =
      parse(std::string("\xFF\xFE"
                        "a\0\n\0\x3E\xD8",
                        8));
  ASSERT_EQ(list.prompts.size(), 1u);
  ASSERT_EQ(list.bad_lines.size(), 1u);
  EXPECT_EQ(list.bad_lines[0].line, 2);
  EXPECT_EQ(list.bad_lines[0].reason, "is not UTF-16");
}

TEST(PromptList, ReportsBadLinesAndReadsTheRest) {
  const auto list = parse(std::string("good\nbro\xFFken\nn\0l\nalso good\n", 27));
  ASSERT_EQ(list.prompts.size(), 2u);
  EXPECT_EQ(list.prompts[1].text, "also good");
  ASSERT_EQ(list.bad_lines.size(), 2u);
  EXPECT_EQ(list.bad_lines[0].line, 2);
  EXPECT_EQ(list.bad_lines[0].reason, "is not UTF-8");
  EXPECT_EQ(list.bad_lines[1].line, 3);
  EXPECT_EQ(list.bad_lines[1].reason, "holds a NUL byte, so it is no text");
}

TEST(PromptList, LimitsTheLengthOfALine) {
  const std::string longest(kMaxPromptBytes, 'x');
  EXPECT_EQ(parse(longest + "\r\n").prompts.size(), 1u);
  const auto list = parse(longest + "x\n" + longest + longest + "\nshort\n");
  ASSERT_EQ(list.bad_lines.size(), 2u);
  EXPECT_EQ(list.bad_lines[0].reason, "is too long for a prompt: 100001 bytes, at most 100000");
  EXPECT_EQ(list.bad_lines[1].reason, "is too long for a prompt: 200000 bytes, at most 100000");
  ASSERT_EQ(list.prompts.size(), 1u);
  EXPECT_EQ(list.prompts[0].line, 3);
}

TEST(PromptList, RefusesFilesWithoutPrompts) {
  const TempFolder folder;
  write_text(folder / "empty.txt", "# nothing\n\n");
  write_text(folder / "bad.txt", "\xFF\n");
  expect_error<UsageError>([&] { read_prompt_list(folder / "empty.txt"); },
                           "empty.txt holds no prompt");
  expect_error<UsageError>([&] { read_prompt_list(folder / "bad.txt"); }, "line 1 is not UTF-8");
}

TEST(PromptList, NamesAFileThatCannotBeRead) {
  const TempFolder folder;
  expect_error<IoError>([&] { read_prompt_list(folder / "absent.txt"); }, "absent.txt",
                        "No such file");
  expect_error<IoError>([&] { read_prompt_list(folder.path()); }, "is a folder");
  expect_error<IoError>([] { read_prompt_list("/dev/zero"); }, "/dev/zero is a device");
  std::filesystem::create_symlink("gone.txt", folder / "link.txt");
  expect_error<IoError>([&] { read_prompt_list(folder / "link.txt"); }, "is a link to gone.txt");
}

TEST(PromptList, IsReadFromAPipeAsItComes) {
  const TempFolder folder;
  const auto fifo = folder / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&] {
    std::ofstream pipe(fifo);
    pipe << "a cat\na d" << std::flush << "og\n";
  });
  const auto list = read_prompt_list(fifo);
  writer.join();
  ASSERT_EQ(list.prompts.size(), 2u);
  EXPECT_EQ(list.prompts[1].text, "a dog");
}

/// A text that repeats itself without an end.
class Endless : public std::streambuf {
 public:
  explicit Endless(const std::string& text) {
    while (text_.size() < 100'000) text_ += text;
  }

 private:
  int_type underflow() override {
    setg(text_.data(), text_.data(), text_.data() + text_.size());
    return traits_type::to_int_type(text_.front());
  }

  std::string text_;
};

TEST(PromptList, GivesUpWhatNeverEnds) {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {std::string(1, '\0'), "line 1 is longer than 16777216 bytes"},
           {"\n", "more than 10000000 lines"},
           {"a cat\n", "more than 1000000 prompts"}}) {
    Endless endless(text);
    std::istream input(&endless);
    expect_error<UsageError>([&] { parse_prompt_list(input); }, part);
  }
}

}  // namespace
}  // namespace sd::cli
