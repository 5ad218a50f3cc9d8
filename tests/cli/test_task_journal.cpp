#include <fmt/format.h>
#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/tasks/lost_journal.h"
#include "cli/tasks/task_journal.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/png.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

class TaskJournalTest : public testing::Test {
 protected:
  /// A list of prompts, made once for each name and content.
  std::span<const TaskLine> list(const std::string& lines) {
    std::istringstream input(lines);
    lists_.push_back(task_lines(parse_prompt_list(input), "list.txt"));
    return lists_.back();
  }
  TaskRun run(std::string name, const std::string& lines, bool resume,
              std::optional<Shard> shard = {}) {
    return {"txt2img", {{"steps", "2"}}, std::move(name), list(lines), shard, resume};
  }
  TaskRun run(std::optional<Shard> shard, bool resume) {
    return run("list.txt", kSix, resume, shard);
  }

  /// Notes that a task is done, with its picture under its number.
  void draw(TaskJournal& journal, int64_t task) {
    TaskRecord record;
    record.task = task;
    record.text = lists_.back()[static_cast<std::size_t>(task)].text;
    record.pictures = {picture(journal.picture_number(task))};
    const nlohmann::json settings = {{"command", "txt2img"},
                                     {"seed", 42 + task},
                                     {"prompt", record.text},
                                     {"negative_prompt", ""}};
    write_picture(record.pictures.front(), settings.dump());
    journal.add(record);
  }
  static void write_picture(const std::filesystem::path& path, const std::string& settings = "") {
    write_file(path, encode_png({1, 1, 3, {1, 2, 3}}, {{"sd", settings}}));
  }
  /// Resumes a list whose tasks have the seeds that `draw` notes.
  TaskRun resumed(std::string name, const std::string& lines) {
    auto run = this->run(std::move(name), lines, true);
    run.key_of = [](const TaskLine& task) {
      DrawOptions options;
      options.prompt = task.text;
      options.seed = 42 + static_cast<uint64_t>(task.number);
      return picture_key(options);
    };
    return run;
  }
  std::filesystem::path journal_path() const { return folder_ / "tasks.jsonl"; }
  std::filesystem::path picture(int64_t number) const {
    std::filesystem::create_directories(folder_ / "samples");
    return folder_ / fmt::format("samples/{:05}.png", number);
  }
  std::vector<int64_t> numbers(const TaskJournal& journal) const {
    std::vector<int64_t> all;
    for (const auto& task : lists_.back()) all.push_back(journal.picture_number(task.number));
    return all;
  }
  std::string done(const TaskJournal& journal) const {
    std::string all;
    for (const auto& task : lists_.back()) all += journal.done(task.number) == nullptr ? '-' : '+';
    return all;
  }

  static constexpr const char* kSix = "line 0\nline 1\nline 2\nline 3\nline 4\nline 5\n";
  test::TempFolder folder_;
  const std::filesystem::path outdir_ = folder_ / "";
  std::deque<std::vector<TaskLine>> lists_;
};

using Numbers = std::vector<int64_t>;

TEST_F(TaskJournalTest, RemembersWhatIsDoneAndNotWhatFailed) {
  {
    TaskJournal journal(outdir_, run({}, false));
    EXPECT_EQ(journal.picture_number(3), 3);
    EXPECT_EQ(done(journal), "------");
    EXPECT_FALSE(journal.goes_on());
    draw(journal, 0);
    TaskRecord failed;
    failed.task = 1;
    failed.text = "line 1";
    failed.code = 2;
    failed.error = "a mistake";
    journal.add(failed);
  }
  const TaskJournal journal(outdir_, run({}, true));
  EXPECT_TRUE(journal.goes_on());
  EXPECT_EQ(done(journal), "+-----");
  EXPECT_EQ(journal.done(0)->pictures.front(), picture(0));
}

TEST_F(TaskJournalTest, ATaskWhosePictureIsGoneIsNotDone) {
  {
    TaskJournal journal(outdir_, run({}, false));
    draw(journal, 0);
  }
  std::filesystem::remove(picture(0));
  const TaskJournal journal(outdir_, run({}, true));
  EXPECT_EQ(journal.done(0), nullptr);
  EXPECT_EQ(journal.picture_number(0), 0);
}

TEST_F(TaskJournalTest, ATaskWhosePictureIsEmptyOrCutIsNotDone) {
  {
    TaskJournal journal(outdir_, run({}, false));
    for (const int64_t task : {0, 1, 2, 3}) draw(journal, task);
  }
  const auto size = std::filesystem::file_size(picture(1));
  std::filesystem::resize_file(picture(0), 0);
  std::filesystem::resize_file(picture(1), size - 1);
  std::filesystem::resize_file(picture(2), 0);
  std::filesystem::resize_file(picture(2), size);  // zeros, as after a power failure
  const TaskJournal journal(outdir_, run({}, true));
  EXPECT_EQ(done(journal), "---+--");
  EXPECT_EQ(numbers(journal), (Numbers{0, 1, 2, 3, 4, 5}));
}

TEST_F(TaskJournalTest, ATaskWhoseSourceIsCutIsNotDone) {
  {
    TaskJournal journal(outdir_, run({}, false));
    for (const int64_t task : {0, 1}) draw(journal, task);
  }
  std::filesystem::create_directories(folder_ / "source");
  for (const char* name : {"00000.png", "00001.png"}) write_picture(folder_ / "source" / name);
  std::filesystem::resize_file(folder_ / "source/00001.png", 30);
  EXPECT_EQ(done(TaskJournal(outdir_, run({}, true))), "+-----");
}

TEST_F(TaskJournalTest, LinesMayStandInAnyOrder) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", false));
    draw(journal, 0);
    TaskJournal second(outdir_, run("b.txt", "cow\npig\n", false));
    draw(second, 1);
  }
  std::vector<std::string> lines;
  std::ifstream input(journal_path());
  for (std::string line; std::getline(input, line);) lines.push_back(line);
  std::string turned;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) turned += *line + '\n';
  test::write_text(journal_path(), turned);
  EXPECT_EQ(done(TaskJournal(outdir_, run("a.txt", "cat\ndog\n", true))), "+-");
  EXPECT_EQ(done(TaskJournal(outdir_, run("b.txt", "cow\npig\n", true))), "-+");
}

TEST_F(TaskJournalTest, ARecordWhoseHeaderIsInAnotherSharesJournalCounts) {
  for (const int64_t shard : {0, 1}) {
    TaskJournal journal(outdir_, run(Shard{shard, 2}, false));
    draw(journal, shard);
  }
  const auto path = folder_ / "tasks-2-of-2.jsonl";
  const auto notes = test::read_text(path);
  test::write_text(path, notes.substr(notes.find('\n') - 5));
  EXPECT_EQ(done(TaskJournal(outdir_, run({}, true))), "++----");
}

TEST_F(TaskJournalTest, PicturesGiveTheNumbersOfAListWhoseJournalIsLost) {
  const std::string lines = "cat\ndog\nbird\n";
  {
    TaskJournal other(outdir_, run("b.txt", "cow\npig\n", false));
    draw(other, 0);
    TaskJournal journal(outdir_, run("a.txt", lines, false));
    for (const int64_t task : {1, 2}) draw(journal, task);
  }
  std::filesystem::remove(journal_path());
  {
    const TaskJournal journal(outdir_, resumed("a.txt", lines));
    EXPECT_FALSE(journal.goes_on());
    EXPECT_EQ(journal.found_tasks(), 2u);
    EXPECT_EQ(done(journal), "---");  // until they were compared
    EXPECT_EQ(numbers(journal), (Numbers{2, 3, 4}));
  }
  const TaskJournal again(outdir_, run("a.txt", lines, true));
  EXPECT_TRUE(again.goes_on());
  EXPECT_EQ(numbers(again), (Numbers{2, 3, 4}));
}

TEST_F(TaskJournalTest, OfTwoRunsWhoseJournalIsLostTheLatestIsGoneOnWith) {
  const std::string lines = "cat\ndog\n";
  for (int i = 0; i < 2; ++i) {
    TaskJournal journal(outdir_, run("a.txt", lines, false));
    for (const int64_t task : {0, 1}) draw(journal, task);
  }
  test::write_text(journal_path(), "");
  EXPECT_EQ(numbers(TaskJournal(outdir_, resumed("a.txt", lines))), (Numbers{2, 3}));
}

TEST_F(TaskJournalTest, LinesOfAnEditedListWhoseJournalIsLostKeepTheirPictures) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\nbird\n", false));
    for (const int64_t task : {0, 1, 2}) draw(journal, task);
  }
  std::filesystem::remove(journal_path());
  const TaskJournal journal(outdir_, resumed("a.txt", "cat\nfrog\nbird\nfox\n"));
  EXPECT_EQ(journal.found_tasks(), 2u);
  EXPECT_EQ(numbers(journal), (Numbers{0, 4, 2, 3}));  // 1 has the dog
}

TEST_F(TaskJournalTest, RecordsWithoutTheirHeaderAreSaidAndNobodyElses) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", false));
    for (const int64_t task : {0, 1}) draw(journal, task);
  }
  const auto notes = test::read_text(journal_path());
  test::write_text(journal_path(), notes.substr(40));
  {
    const TaskJournal journal(outdir_, resumed("a.txt", "cat\ndog\n"));
    EXPECT_EQ(journal.orphans(), 2u);
    EXPECT_EQ(journal.found_tasks(), 2u);
  }
  // The new run has another number than the lost one: its records stay apart.
  EXPECT_EQ(done(TaskJournal(outdir_, run("a.txt", "cat\ndog\n", true))), "--");
}

TEST_F(TaskJournalTest, PicturesOfOtherListsGiveNoNumbers) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", false));
    for (const int64_t task : {0, 1}) draw(journal, task);
  }
  const TaskJournal journal(outdir_, resumed("b.txt", "cat\ndog\nbird\n"));
  EXPECT_EQ(journal.found_tasks(), 0u);
  EXPECT_EQ(numbers(journal), (Numbers{2, 3, 4}));
}

TEST_F(TaskJournalTest, CutPicturesWithoutAJournalKeepNoNumbers) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", false));
    for (const int64_t task : {0, 1}) draw(journal, task);
  }
  for (const int64_t number : {0, 1}) std::filesystem::resize_file(picture(number), number * 20);
  std::filesystem::remove(journal_path());
  EXPECT_EQ(numbers(TaskJournal(outdir_, resumed("a.txt", "cat\ndog\n"))), (Numbers{0, 1}));
}

TEST_F(TaskJournalTest, ALineCutShortIsPassedOverAndWrittenBehind) {
  {
    TaskJournal journal(outdir_, run({}, false));
    draw(journal, 0);
  }
  { std::ofstream(folder_ / "tasks.jsonl", std::ios::app) << "{\"kind\":\"task\",\"task\":1,\"te"; }
  {
    TaskJournal journal(outdir_, run({}, true));
    EXPECT_EQ(done(journal), "+-----");
    draw(journal, 1);
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run({}, true))), "++----");
}

TEST_F(TaskJournalTest, SharesOfAllShardsCountWhenItIsResumed) {
  for (const int64_t shard : {0, 1}) {
    TaskJournal journal(outdir_, run(Shard{shard, 2}, false));
    draw(journal, shard);
  }
  for (const auto& shard :
       {std::optional<Shard>(), std::optional(Shard{0, 3}), std::optional(Shard{1, 2})}) {
    const TaskJournal journal(outdir_, run(shard, true));
    EXPECT_EQ(done(journal), "++----");
    EXPECT_EQ(numbers(journal), (Numbers{0, 1, 2, 3, 4, 5}));
  }
}

TEST_F(TaskJournalTest, ASecondRunOfAListCountsOnAndIsTheOneThatIsResumed) {
  {
    TaskJournal journal(outdir_, run({}, false));
    draw(journal, 0);
  }
  {
    TaskJournal second(outdir_, run({}, false));
    EXPECT_EQ(second.picture_number(0), 6);
    draw(second, 1);
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run({}, true))), "-+----");
}

TEST_F(TaskJournalTest, OtherOptionsAreNamedAndRefused) {
  { const TaskJournal journal(outdir_, run({}, false)); }
  auto other = run({}, true);
  other.options["steps"] = "3";
  test::expect_error<UsageError>([&] { TaskJournal(outdir_, other); }, "--steps was \"2\"",
                                 "now \"3\"");
}

TEST_F(TaskJournalTest, OfTwoRunsTheOneWithTheSameOptionsIsResumed) {
  {
    TaskJournal journal(outdir_, run({}, false));
    draw(journal, 2);
  }
  {
    auto other = run({}, false);
    other.options["steps"] = "3";
    const TaskJournal journal(outdir_, other);
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run({}, true))), "--+---");
}

TEST_F(TaskJournalTest, ServesAnyNumberOfLists) {
  {
    TaskJournal first(outdir_, run("a.txt", "cat\ndog\n", false));
    draw(first, 0);
    TaskJournal second(outdir_, run("b.txt", "cat\nhouse\ntree\n", false));  // at the same time
    EXPECT_EQ(numbers(second), (Numbers{2, 3, 4}));
    draw(second, 1);
    lists_.pop_back();
    draw(first, 1);
  }
  {
    const TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", true));
    EXPECT_EQ(done(journal), "++");
  }
  {
    const TaskJournal journal(outdir_, run("b.txt", "cat\nhouse\ntree\n", true));
    EXPECT_EQ(done(journal), "-+-");
    EXPECT_EQ(numbers(journal), (Numbers{2, 3, 4}));
  }
  const TaskJournal third(outdir_, run("c.txt", "cat\ndog\nbird\n", true));  // begun by --resume
  EXPECT_FALSE(third.goes_on());
  EXPECT_EQ(done(third), "---");
  EXPECT_EQ(numbers(third), (Numbers{5, 6, 7}));
}

TEST_F(TaskJournalTest, AListIsKnownByItsContentUnderAnotherName) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", false));
    draw(journal, 1);
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run("elsewhere/a.txt", "cat\ndog\n", true))), "-+");
  EXPECT_EQ(done(TaskJournal(outdir_, run("-", "cat\ndog\n", true))), "-+");
}

TEST_F(TaskJournalTest, AMendedLineKeepsItsNumberAndAChangedOneTakesAFreeOne) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndgo\nbird\n", false));
    draw(journal, 0);
    draw(journal, 2);
  }
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\nred bird\n", true));
    EXPECT_EQ(done(journal), "+--");
    EXPECT_EQ(numbers(journal), (Numbers{0, 1, 5}));
    draw(journal, 2);
  }
  // The numbers of what is left stay; those of other lists lie behind.
  {
    const TaskJournal journal(outdir_, run("a.txt", "cat\ndog\nred bird\n", true));
    EXPECT_EQ(done(journal), "+-+");
    EXPECT_EQ(numbers(journal), (Numbers{0, 1, 5}));
  }
  EXPECT_EQ(TaskJournal(outdir_, run("b.txt", "cat\n", false)).picture_number(0), 6);
}

TEST_F(TaskJournalTest, LinesOfAnEditedListAreFoundWhereverTheyStand) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\nbird\n", false));
    for (const int64_t task : {0, 1, 2}) draw(journal, task);
  }
  {
    const TaskJournal journal(outdir_, run("a.txt", "frog\nbird\ncat\n", true));
    EXPECT_EQ(done(journal), "-++");
    EXPECT_EQ(numbers(journal), (Numbers{3, 2, 0}));
    EXPECT_EQ(journal.done(1)->task, 1);
    EXPECT_EQ(journal.done(1)->pictures.front(), picture(2));
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run("a.txt", "cat\ndog\nbird\n", true))), "+++");
}

TEST_F(TaskJournalTest, EachCopyOfALineIsATask) {
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ncat\ncat\n", false));
    draw(journal, 1);
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run("a.txt", "cat\ncat\ncat\n", true))), "-+-");
  EXPECT_EQ(done(TaskJournal(outdir_, run("a.txt", "dog\ncat\ncat\ncat\n", true))), "-+--");
}

TEST_F(TaskJournalTest, AListOnStandardInputIsKnownByMostOfItsTasks) {
  {
    TaskJournal journal(outdir_, run("-", "cat\ndog\nbird\n", false));
    for (const int64_t task : {0, 1, 2}) draw(journal, task);
  }
  {
    const TaskJournal journal(outdir_, run("-", "cat\ndog\nfrog\n", true));
    EXPECT_EQ(done(journal), "++-");
  }
  const TaskJournal other(outdir_, run("-", "a\nb\ncat\n", true));
  EXPECT_FALSE(other.goes_on());
  EXPECT_EQ(done(other), "---");
}

TEST_F(TaskJournalTest, AShardBegunBeforeIsOnlyResumed) {
  { const TaskJournal journal(outdir_, run(Shard{0, 2}, false)); }
  for (const auto& shard : {Shard{0, 2}, Shard{2, 3}}) {  // the same, and other shares
    test::expect_error<UsageError>([&] { TaskJournal(outdir_, run(shard, false)); },
                                   "this list was begun before", "--resume");
  }
  EXPECT_NO_THROW(TaskJournal(outdir_, run(Shard{1, 2}, false)));
}

TEST_F(TaskJournalTest, ShardsOfTwoListsStayApart) {
  std::filesystem::create_directories(folder_ / "samples");
  test::write_text(folder_ / "samples/00004.png", "picture");
  for (const int64_t shard : {0, 1}) {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", false, Shard{shard, 2}));
    EXPECT_EQ(numbers(journal), (Numbers{5, 6}));
    draw(journal, shard);
  }
  for (const int64_t shard : {1, 0}) {
    TaskJournal journal(outdir_, run("b.txt", "cow\npig\n", false, Shard{shard, 2}));
    EXPECT_EQ(numbers(journal), (Numbers{7, 8}));
    draw(journal, shard);
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run("a.txt", "cat\ndog\n", true))), "++");
  EXPECT_EQ(done(TaskJournal(outdir_, run("b.txt", "cow\npig\n", true, Shard{0, 3}))), "++");
}

TEST_F(TaskJournalTest, OneProcessAListAndShare) {
  const TaskJournal journal(outdir_, run({}, false));
  test::expect_error<IoError>([&] { TaskJournal(outdir_, run({}, true)); },
                              "another process is drawing these tasks");
  EXPECT_NO_THROW(TaskJournal(outdir_, run("b.txt", "cow\n", true)));
}

TEST_F(TaskJournalTest, IsNeverTheListItself) {
  test::write_text(folder_ / "tasks.jsonl", "{\"prompt\": \"cat\"}\n");
  test::expect_error<UsageError>(
      [&] { TaskJournal(outdir_, run((folder_ / "tasks.jsonl").string(), "cat\n", false)); },
      "is the journal of --outdir");
}

/// As the first form of journals had it, with two lists behind each other.
TEST_F(TaskJournalTest, JournalsThatDoNotNameTheirListsAreRead) {
  for (const int64_t number : {0, 3}) write_picture(picture(number));
  test::write_text(folder_ / "tasks.jsonl",
                   "{\"kind\":\"tasks\",\"version\":\"0.1.0\",\"command\":\"txt2img\",\"options\":{"
                   "\"steps\":\"2\"},"
                   "\"tasks\":2,\"first\":0}\n"
                   "{\"kind\":\"task\",\"task\":0,\"line\":1,\"text\":\"cat\",\"seconds\":1,"
                   "\"pictures\":[\"samples/"
                   "00000.png\"]}\n"
                   "{\"kind\":\"tasks\",\"version\":\"0.1.0\",\"command\":\"txt2img\",\"options\":{"
                   "\"steps\":\"2\"},"
                   "\"tasks\":2,\"first\":2}\n"
                   "{\"kind\":\"task\",\"task\":1,\"line\":2,\"text\":\"pig\",\"seconds\":1,"
                   "\"pictures\":[\"samples/"
                   "00003.png\"]}\n");
  {
    TaskJournal journal(outdir_, run("a.txt", "cat\ndog\n", true));
    EXPECT_EQ(done(journal), "+-");
    EXPECT_EQ(numbers(journal), (Numbers{0, 1}));
    draw(journal, 1);
  }
  EXPECT_EQ(done(TaskJournal(outdir_, run("a.txt", "cat\ndog\n", true))), "++");
  const TaskJournal journal(outdir_, run("b.txt", "cow\npig\n", true));
  EXPECT_EQ(done(journal), "-+");
  EXPECT_EQ(numbers(journal), (Numbers{2, 3}));
}

TEST_F(TaskJournalTest, GarbageInAJournalIsNoHarm) {
  test::write_text(folder_ / "tasks.jsonl",
                   "[]\nnull\n{\"kind\":\"task\",\"task\":0}\n{\"kind\":\"tasks\",\"command\":"
                   "\"txt2img\",\"options\":"
                   "{\"steps\":\"2\"},\"first\":\"x\",\"shard\":3}\n{\"kind\":\"task\",\"task\":{},"
                   "\"pictures\":[1,{}]}\n\xff\n");
  const TaskJournal journal(outdir_, run({}, true));
  EXPECT_EQ(journal.done(0), nullptr);
}

}  // namespace
}  // namespace sd::cli
