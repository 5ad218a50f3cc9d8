#include "cli/task_journal.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "sd/core/error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

class TaskJournalTest : public testing::Test {
 protected:
  TaskRun run(std::optional<Shard> shard, bool resume) const {
    return {"txt2img", {{"steps", "2"}}, 6, shard, resume};
  }

  /// A task that is done, with its picture.
  TaskRecord record(int64_t task, const std::string& name) const {
    test::write_text(folder_ / name, "picture");
    return {task, task + 1, "line " + std::to_string(task), 0, {}, {folder_ / name}, 0.5};
  }

  test::TempFolder folder_;
  const std::filesystem::path outdir_ = folder_ / "";
};

TEST_F(TaskJournalTest, RemembersWhatIsDoneAndNotWhatFailed) {
  {
    TaskJournal journal(outdir_, run({}, false));
    EXPECT_EQ(journal.picture_number(3), 3);
    EXPECT_EQ(journal.done(0, "line 0"), nullptr);
    journal.add(record(0, "a.png"));
    journal.add({1, 2, "line 1", 2, "a mistake", {}, 0});
  }
  const TaskJournal journal(outdir_, run({}, true));
  ASSERT_NE(journal.done(0, "line 0"), nullptr);
  EXPECT_EQ(journal.done(0, "line 0")->pictures.front(), folder_ / "a.png");
  EXPECT_EQ(journal.done(0, "another line"), nullptr);
  EXPECT_EQ(journal.done(1, "line 1"), nullptr);
}

TEST_F(TaskJournalTest, ATaskWhosePictureIsGoneIsNotDone) {
  { TaskJournal(outdir_, run({}, false)).add(record(0, "a.png")); }
  std::filesystem::remove(folder_ / "a.png");
  EXPECT_EQ(TaskJournal(outdir_, run({}, true)).done(0, "line 0"), nullptr);
}

TEST_F(TaskJournalTest, ALineCutShortIsPassedOverAndWrittenBehind) {
  { TaskJournal(outdir_, run({}, false)).add(record(0, "a.png")); }
  { std::ofstream(folder_ / "tasks.jsonl", std::ios::app) << "{\"kind\":\"task\",\"task\":1,\"te"; }
  {
    TaskJournal journal(outdir_, run({}, true));
    EXPECT_NE(journal.done(0, "line 0"), nullptr);
    journal.add(record(1, "b.png"));
  }
  const TaskJournal journal(outdir_, run({}, true));
  EXPECT_NE(journal.done(0, "line 0"), nullptr);
  EXPECT_NE(journal.done(1, "line 1"), nullptr);
}

TEST_F(TaskJournalTest, SharesOfAllShardsCountWhenItIsResumed) {
  { TaskJournal(outdir_, run(Shard{0, 2}, false)).add(record(0, "a.png")); }
  { TaskJournal(outdir_, run(Shard{1, 2}, false)).add(record(1, "b.png")); }
  for (const auto& shard :
       {std::optional<Shard>(), std::optional(Shard{0, 3}), std::optional(Shard{1, 2})}) {
    const TaskJournal journal(outdir_, run(shard, true));
    EXPECT_NE(journal.done(0, "line 0"), nullptr);
    EXPECT_NE(journal.done(1, "line 1"), nullptr);
  }
}

TEST_F(TaskJournalTest, ARunIsNotMistakenForAnother) {
  { TaskJournal(outdir_, run({}, false)).add(record(0, "a.png")); }
  {
    // A second run in the same folder counts on, and is the one that is resumed.
    const TaskJournal second(outdir_, run({}, false));
    EXPECT_EQ(second.picture_number(0), 6);
  }
  EXPECT_EQ(TaskJournal(outdir_, run({}, true)).done(0, "line 0"), nullptr);
  auto other = run({}, true);
  other.options["steps"] = "3";
  try {
    const TaskJournal journal(outdir_, other);
    ADD_FAILURE();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("--steps"), std::string::npos) << error.what();
  }
}

TEST_F(TaskJournalTest, AShardBegunBeforeIsOnlyResumed) {
  { const TaskJournal journal(outdir_, run(Shard{0, 2}, false)); }
  EXPECT_THROW(TaskJournal(outdir_, run(Shard{0, 2}, false)), UsageError);
  EXPECT_THROW(TaskJournal(outdir_, run(Shard{2, 3}, false)), UsageError);  // other shares
  EXPECT_NO_THROW(TaskJournal(outdir_, run(Shard{1, 2}, false)));
}

TEST_F(TaskJournalTest, ShardsNeedAFolderOfTheirOwn) {
  std::filesystem::create_directories(folder_ / "samples");
  test::write_text(folder_ / "samples/00004.png", "picture");
  EXPECT_THROW(TaskJournal(outdir_, run(Shard{0, 2}, false)), UsageError);
  EXPECT_EQ(TaskJournal(outdir_, run({}, false)).picture_number(1), 6);
}

TEST_F(TaskJournalTest, OneProcessAShare) {
  const TaskJournal journal(outdir_, run({}, false));
  EXPECT_THROW(TaskJournal(outdir_, run({}, true)), IoError);
}

TEST_F(TaskJournalTest, GarbageInAJournalIsNoHarm) {
  test::write_text(folder_ / "tasks.jsonl",
                   "[]\nnull\n{\"kind\":\"task\",\"task\":0}\n{\"kind\":\"tasks\",\"command\":"
                   "\"txt2img\",\"options\":"
                   "{\"steps\":\"2\"},\"first\":\"x\",\"shard\":3}\n{\"kind\":\"task\",\"task\":{},"
                   "\"pictures\":[1,{}]}\n\xff\n");
  const TaskJournal journal(outdir_, run({}, true));
  EXPECT_EQ(journal.done(0, "line 0"), nullptr);
}

}  // namespace
}  // namespace sd::cli
