// Lists of tasks, shards and what a killed process leaves behind, through the binary.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "cli/tiny_run.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream input(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(input), {}};
}

/// The results of tasks among the lines of stdout, as "number:status".
std::vector<std::string> statuses(const test::Finished& finished) {
  std::vector<std::string> found;
  for (const auto& line : finished.lines()) {
    const auto json = nlohmann::json::parse(line);
    if (json.at("kind") == "task")
      found.push_back(json.at("task").dump() + ":" + json.at("status").get<std::string>());
  }
  return found;
}

using Texts = std::vector<std::string>;

TEST(Tasks, LinesMayHaveOptionsInA1111Style) {
  const TinyRun run;
  const auto list = run.file(
      "tasks.txt",
      "# by hand\n"
      "--prompt \"a red apple\" --steps 3 --seed 7 --cfg_scale 3 --sampler_name \"Euler a\"\n"
      "a blue cat\n"
      "--prompt 'two cats' --batch_size 2 --width 64\n");
  const auto finished = run({"--from-file", list, "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(statuses(finished), (Texts{"0:done", "1:done", "2:done"}));
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00001.png", "00002-000.png", "00002-001.png"}));
  const auto lines = test::image_lines(finished);
  EXPECT_EQ(lines[0].at("steps"), 3);
  EXPECT_EQ(lines[0].at("sampler"), "euler_a");
  EXPECT_EQ(lines[0].at("scale"), 3);
  EXPECT_EQ(lines[0].at("seed"), 7);
  EXPECT_EQ(lines[1].at("steps"), 2);  // the command's
  EXPECT_EQ(lines[1].at("prompt"), "a blue cat");
  EXPECT_EQ(lines[1].at("seed"), 43);  // the command's, and the task's number
  EXPECT_EQ(lines[2].at("width"), 64);
}

TEST(Tasks, ATaskIsWhatTheCommandWouldDrawAlone) {
  const TinyRun tasks, alone;
  const auto list = tasks.file(
      "tasks.jsonl",
      "{\"prompt\": \"a cat\"}\n"
      "{\"prompt\": \"a red apple\", \"reweight\": [\"red=2\", \"apple=0.5\"], \"plms\": true, "
      "\"negative-prompt\": \"\", \"seed\": null}\n");
  const auto finished = tasks({"--from-file", list, "--seed", "5", "--n_samples", "2"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  ASSERT_EQ(alone({"--prompt", "a red apple", "--reweight", "red=2", "--reweight", "apple=0.5",
                   "--plms", "--seed", "6", "--negative-prompt", "", "--n_samples", "2", "--n_iter",
                   "1", "--skip_grid"})
                .code,
            0);
  for (const char* number : {"0", "1"}) {
    EXPECT_EQ(bytes_of(tasks.outdir() / "samples" / ("00001-00" + std::string(number) + ".png")),
              bytes_of(alone.outdir() / "samples" / ("0000" + std::string(number) + ".png")));
  }
}

TEST(Tasks, AreThePicturesOfSeedModeImage) {
  const TinyRun tasks, image;
  const auto list = tasks.file("prompts.txt", "a cat\na red apple\na dog\n");
  ASSERT_EQ(tasks({"--from-file", list, "--resume"}).code, 0);
  ASSERT_EQ(
      image({"--from-file", list, "--seed-mode", "image", "--n_iter", "1", "--skip_grid"}).code, 0);
  for (const char* name : {"00000.png", "00001.png", "00002.png"})
    EXPECT_EQ(tasks.sample(name).pixels, image.sample(name).pixels) << name;
}

TEST(Tasks, ClassesThatTheirModelNamesAreSaidOnce) {
  const TinyRun run;
  const auto list = run.file("tasks.txt", "--prompt a --steps 1\n--prompt b --steps 1\n");
  const auto finished = run({"--from-file", list});
  const std::string notice = "its pickle names a class unknown here";
  const auto at = finished.err.find(notice);
  ASSERT_NE(at, std::string::npos) << finished.err;
  EXPECT_EQ(finished.err.find(notice, at + 1), std::string::npos) << finished.err;
}

TEST(Tasks, ComeFromStandardInputToo) {
  const TinyRun run;
  auto setup = run.setup({"--from-file", "-"});
  setup.input = "{\"prompt\": \"a cat\"}\n{\"prompt\": \"a dog\", \"steps\": 1}\n";
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(statuses(finished), (Texts{"0:done", "1:done"}));
}

TEST(Tasks, OneThatFailsDoesNotStopTheRest) {
  const TinyRun run;
  const auto list = run.file("tasks.txt",
                             "{\"prompt\": \"a cat\", \"stepz\": 3}\n"
                             "{\"prompt\": \"a ca\n"
                             "{\"prompt\": \"a cat\", \"sampler\": \"eulr\"}\n"
                             "{\"prompt\": \"a cat\", \"W\": 100}\n"
                             "{\"prompt\": \"a cat\", \"ckpt\": \"nowhere.ckpt\"}\n"
                             "{\"prompt\": \"a cat\", \"reweight\": \"dog=2\"}\n"
                             "{\"prompt\": \"a cat\", \"outdir\": \"elsewhere\"}\n"
                             "{\"prompt\": [\"a\", {}]}\n"
                             "{\"prompt\": \"a cat\", \"plms\": 1}\n"
                             "{\"steps\": 1e9999}\n"
                             "{}\n"
                             "{\"prompt\": null}\n"
                             "{\"prompt\": []}\n"
                             "{\"prompt\": [\"a\", \"b\"]}\n"
                             "{\"prompt\": 5}\n"
                             "{\"prompt\": \"a\\u0000b\"}\n"
                             "{\"prompt\": \"a\", \"steps\": 2.5}\n"
                             "{\"prompt\": \"a\", \"steps\": 1, \"steps\": 2}\n"
                             "{\"prompt\": \"a\", \"steps\": {\"steps\": 1}}\n"
                             "[{\"prompt\": \"a\"}]\n"
                             "--steps 1\n"
                             "--prompt a --prompt b\n"
                             "--no people, a cat\n"
                             "{\"prompt\": \"a cat\", \"steps\": 1}\n");
  const auto finished = run({"--from-file", list, "-q"});
  EXPECT_EQ(finished.code, 3);
  const auto found = statuses(finished);
  ASSERT_EQ(found.size(), 24u);
  for (std::size_t i = 0; i < 23; ++i) EXPECT_EQ(found[i], std::to_string(i) + ":failed");
  EXPECT_EQ(found[23], "23:done");
  for (const char* part :
       {"line 1: unknown key 'stepz'\n    Did you mean 'steps'?",
        "line 2: it is not a whole JSON object",
        "line 3: sampler: 'eulr'",
        "line 4: W 100",
        "line 5: ",
        "nowhere.ckpt",
        "line 6: ",
        "line 7: outdir",
        "line 8: prompt",
        "line 9: plms: expected true or false",
        "line 10: it has a number that is too large",
        "line 11: it has no prompt",
        "line 12: it has no prompt",
        "line 13: it has no prompt",
        "line 14: prompt: expected one text, found 2",
        "line 15: prompt: 5 is no value of this option, expected a text in quotes",
        "line 16: prompt: its text holds a NUL byte",
        "line 17: steps: '2.5'",
        "line 18: it has the key 'steps' twice",
        "line 19: steps: {\"steps\":1} is no value",
        "line 20: it is JSON, but no object",
        "line 21: it has no prompt",
        "line 22: --prompt: given more than once, as 'a' and as 'b'",
        "line 23: unknown option '--no'",
        "is written as --prompt \"--no"})
    EXPECT_TRUE(contains(finished.err, part)) << part << "\n" << finished.err;
  EXPECT_EQ(run.samples(), (Texts{"00023.png"}));
}

TEST(Tasks, SwapsTakeTheirPairsFromLines) {
  const TinyRun run;
  const auto list =
      run.file("pairs.txt",
               "a cat\ta dog\n--sprompt \"a red apple\" --prompt \"a green apple\" --mode p2p\n");
  auto setup = run.setup({"--from-file", list, "--json"});
  setup.arguments[0] = "swap";
  const auto finished = run_program(setup);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00001.png"}));
  EXPECT_TRUE(std::filesystem::exists(run.outdir() / "source/00001.png"));
}

TEST(Shards, DivideTheTasksAndDrawTheSame) {
  const TinyRun whole, shards;
  const auto list = whole.file("prompts.txt", "a cat\na red apple\na dog\na tree\na house\n");
  ASSERT_EQ(whole({"--from-file", list, "--shard", "1/1"}).code, 0);
  for (const char* shard : {"1/2", "2/2"})
    ASSERT_EQ(shards({"--from-file", list, "--shard", shard}).code, 0);
  EXPECT_EQ(shards.samples().size(), 5u);
  for (const auto& name : whole.samples())
    EXPECT_EQ(bytes_of(whole.outdir() / "samples" / name),
              bytes_of(shards.outdir() / "samples" / name))
        << name;
}

TEST(Shards, AreReadFromTheEnvironmentOfSrunAndMpirun) {
  const TinyRun run;
  const auto list = run.file("prompts.txt", "a cat\na red apple\na dog\n");
  const auto start = [&](const char* rank, const char* rank_value, const char* size) {
    auto setup = run.setup({"--from-file", list});
    setup.environment.emplace_back(rank, rank_value);
    setup.environment.emplace_back(size, "2");
    return run_program(setup);
  };
  const auto slurm = start("SLURM_PROCID", "1", "SLURM_STEP_NUM_TASKS");
  ASSERT_EQ(slurm.code, 0) << slurm.err;
  EXPECT_TRUE(contains(slurm.err, "shard 2/2, started by srun")) << slurm.err;
  EXPECT_EQ(run.samples(), (Texts{"00001.png"}));
  ASSERT_EQ(start("OMPI_COMM_WORLD_RANK", "0", "OMPI_COMM_WORLD_SIZE").code, 0);
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00001.png", "00002.png"}));
}

TEST(Resume, DrawsWhatAKilledProcessLeftOnceAndNothingTwice) {
  const TinyRun run, whole;
  std::string lines;
  for (int i = 0; i < 8; ++i) lines += "a cat number " + std::to_string(i) + "\n";
  const auto list = run.file("prompts.txt", lines);
  {
    test::Process process(run.setup({"--from-file", list, "--shard", "1/1", "--steps", "20"}));
    ASSERT_TRUE(process.wait_until([&] { return run.samples().size() >= 2; }));
    process.signal(SIGKILL);
    EXPECT_EQ(process.wait().code, 128 + SIGKILL);
  }
  const auto before = run.samples().size();
  ASSERT_LT(before, 8u);
  // As if it had died between a picture and its note.
  const auto journal = run.outdir() / "tasks-1-of-1.jsonl";
  auto notes = bytes_of(journal);
  notes.erase(notes.rfind("\n{\"kind\":\"task\"") + 20);
  test::write_text(journal, notes);

  const auto finished = run({"--from-file", list, "--steps", "20", "--resume", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(statuses(finished).size(), 8u);
  ASSERT_EQ(whole({"--from-file", list, "--steps", "20", "--resume"}).code, 0);
  EXPECT_EQ(run.samples(), whole.samples());
  for (const auto& name : whole.samples())
    EXPECT_EQ(bytes_of(run.outdir() / "samples" / name),
              bytes_of(whole.outdir() / "samples" / name))
        << name;

  const auto again = run({"--from-file", list, "--steps", "20", "--resume", "--json"});
  EXPECT_EQ(again.code, 0);
  for (const auto& status : statuses(again)) EXPECT_TRUE(status.ends_with(":skipped")) << status;
  EXPECT_EQ(run.samples().size(), 8u);
}

TEST(Resume, TriesAgainWhatFailedOnceItsLineIsMended) {
  const TinyRun run;
  const auto list = run.file("tasks.txt", "--prompt \"a cat\"\n--prompt \"a dog\" --stepz 3\n");
  EXPECT_EQ(run({"--from-file", list, "-q"}).code, 3);
  run.file("tasks.txt", "--prompt \"a cat\"\n--prompt \"a dog\" --steps 3\n");
  const auto finished = run({"--from-file", list, "--resume", "--json"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(statuses(finished), (Texts{"0:skipped", "1:done"}));
}

TEST(Resume, DrawsAChangedLineBesideWhatItsNumberHolds) {
  const TinyRun run;
  const auto list = run.file("tasks.txt", "a cat\n");
  ASSERT_EQ(run({"--from-file", list, "--resume"}).code, 0);
  const auto cat = bytes_of(run.outdir() / "samples/00000.png");
  run.file("tasks.txt", "a dog\n");
  const auto finished = run({"--from-file", list, "--resume", "--json"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(statuses(finished), (Texts{"0:done"}));
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00001.png"}));
  EXPECT_EQ(bytes_of(run.outdir() / "samples/00000.png"), cat);
}

TEST(Resume, GoesOnWithEachOfTwoListsInOneFolder) {
  const TinyRun run;
  const auto cats = run.file("cats.txt", "a cat\n--prompt \"two cats\" --stepz 1\n");
  const auto dogs = run.file("dogs.txt", "a dog\n--prompt \"two dogs\" --stepz 1\n");
  EXPECT_EQ(run({"--from-file", cats, "-q"}).code, 3);
  EXPECT_EQ(run({"--from-file", dogs, "-q", "--seed", "7"}).code, 3);
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00002.png"}));
  run.file("cats.txt", "a cat\n--prompt \"two cats\" --steps 1\n");
  const auto finished = run({"--from-file", cats, "--resume", "--json"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(statuses(finished), (Texts{"0:skipped", "1:done"}));
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00001.png", "00002.png"}));
  const auto again = run({"--from-file", dogs, "--resume", "--json", "--seed", "7"});
  EXPECT_EQ(again.code, 3) << again.err;
  EXPECT_EQ(statuses(again), (Texts{"0:skipped", "1:failed"}));
}

TEST(Resume, GoesByThePicturesWhereTheJournalIsLost) {
  const TinyRun run;
  const auto list = run.file("prompts.txt", "a cat\na dog\na bird\n");
  ASSERT_EQ(run({"--from-file", list, "--resume"}).code, 0);
  const auto journal = run.outdir() / "tasks.jsonl";
  const auto header = bytes_of(journal).substr(0, bytes_of(journal).find('\n'));
  std::filesystem::remove(run.outdir() / "samples/00001.png");
  std::filesystem::remove(journal);
  const auto finished = run({"--from-file", list, "--resume", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(statuses(finished), (Texts{"0:skipped", "1:done", "2:skipped"}));
  EXPECT_TRUE(contains(finished.err, "prompts.txt, but there are pictures of 2 tasks"))
      << finished.err;
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00001.png", "00002.png"}));
  // The journal is as good as before.
  EXPECT_EQ(bytes_of(journal).substr(0, header.size()), header);
  const auto again = run({"--from-file", list, "--resume", "--json"});
  EXPECT_EQ(statuses(again), (Texts{"0:skipped", "1:skipped", "2:skipped"}));
  EXPECT_FALSE(contains(again.err, "no journal")) << again.err;
}

TEST(Resume, PicturesOfOtherSettingsAreNotTakenForATasks) {
  const TinyRun run;
  const auto list = run.file("prompts.txt", "a cat\n");
  ASSERT_EQ(run({"--from-file", list, "--resume"}).code, 0);
  const auto cat = bytes_of(run.outdir() / "samples/00000.png");
  test::write_text(run.outdir() / "tasks.jsonl", "");
  const auto finished = run({"--from-file", list, "--resume", "--json", "--scale", "3"});
  EXPECT_EQ(statuses(finished), (Texts{"0:done"}));
  EXPECT_EQ(run.samples(), (Texts{"00000-0001.png", "00000.png"}));
  EXPECT_EQ(bytes_of(run.outdir() / "samples/00000.png"), cat);
}

TEST(Resume, DrawsAPictureThatIsEmptyOrCutAgain) {
  for (const char* format : {"png", "jpeg", "webp"}) {
    const TinyRun run;
    const auto list = run.file("tasks.txt", "--prompt \"a cat\" --steps 1\n--prompt b --steps 1\n");
    ASSERT_EQ(run({"--from-file", list, "--format", format}).code, 0);
    std::vector<std::string> whole;
    for (std::size_t i : {0u, 1u}) whole.push_back(bytes_of(run.sample_path(i)));
    std::filesystem::resize_file(run.sample_path(0), 0);
    std::filesystem::resize_file(run.sample_path(1), whole[1].size() - 1);
    const auto finished = run({"--from-file", list, "--format", format, "--resume", "--json"});
    EXPECT_EQ(statuses(finished), (Texts{"0:done", "1:done"}));
    EXPECT_TRUE(contains(finished.err, "was empty or cut short, and is drawn again"))
        << finished.err;
    EXPECT_EQ(run.samples().size(), 2u);
    for (std::size_t i : {0u, 1u}) EXPECT_EQ(bytes_of(run.sample_path(i)), whole[i]) << format;
  }
}

TEST(Resume, DrawsASwapWhoseSourceIsCutAgain) {
  const TinyRun run;
  const auto list = run.file("swaps.txt", "a cat\ta dog\n");
  auto setup = run.setup({"--from-file", list, "--resume", "--json"});
  setup.arguments[0] = "swap";
  ASSERT_EQ(run_program(setup).code, 0);
  const auto source = run.outdir() / "source/00000.png";
  const auto whole = bytes_of(source);
  std::filesystem::resize_file(source, whole.size() / 2);
  EXPECT_EQ(statuses(run_program(setup)), (Texts{"0:done"}));
  EXPECT_EQ(bytes_of(source), whole);
  std::filesystem::remove(run.outdir() / "tasks.jsonl");
  EXPECT_EQ(statuses(run_program(setup)), (Texts{"0:skipped"}));
}

TEST(Confined, TasksThatLeadOutOfTheFolderAreRefusedByName) {
  const TinyRun run;
  std::filesystem::create_directories(run.path("away"));
  std::filesystem::create_directories(run.outdir());
  std::filesystem::create_directory_symlink(run.path("away"), run.outdir() / "door");
  const auto away = run.path("away").string(), out = run.outdir().string();
  std::filesystem::create_directories(run.path("lists"));
  const auto list = run.file(
      "lists/tasks.jsonl",
      "{\"prompt\": \"a\", \"attn\": \"" + away + "\"}\n" + "{\"prompt\": \"a\", \"attn\": \"" +
          out + "/../away\"}\n" + "{\"prompt\": \"a\", \"attn\": \"" + out + "/door/a\"}\n" +
          "{\"prompt\": \"a\", \"save_attn_dir\": \"" + away + "\"}\n" +
          "{\"prompt\": \"a\", \"save-latents\": \"" + away + "\"}\n" +
          "{\"prompt\": \"a\", \"preview\": \"" + away + "/x.png\"}\n" +
          "{\"prompt\": \"a\", \"name\": \"../{number}\"}\n" +
          "{\"prompt\": \"a\", \"init-latents\": \"" + away + "/x.npy\"}\n" +
          "{\"prompt\": \"a\", \"ckpt\": \"/etc/passwd\"}\n" +
          "{\"prompt\": \"a\", \"config\": \"/etc/passwd\"}\n" +
          "{\"prompt\": \"a\", \"vae\": \"/etc/passwd\"}\n" +
          "{\"prompt\": \"a\", \"name\": \"../door/{number}\"}\n" +
          "{\"prompt\": \"a\", \"steps\": 1, \"attn\": \"" + out + "/maps\"}\n");
  const auto finished = run({"--from-file", list, "--confined"});
  EXPECT_EQ(finished.code, 3);
  const auto found = statuses(finished);
  ASSERT_EQ(found.size(), 13u);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_TRUE(found[i].ends_with(":failed")) << found[i];
  EXPECT_EQ(found[12], "12:done");
  for (const char* part :
       {"line 1: attn: ", "line 2: attn: ", "line 3: attn: ", "line 4: save_attn_dir: ",
        "line 5: save-latents: ", "line 6: preview: ", "line 7: ", "line 8: init-latents: ",
        "line 9: ckpt: ", "line 10: config: ", "line 11: vae: ", "line 12: "})
    EXPECT_TRUE(contains(finished.err, part)) << part << finished.err;
  EXPECT_TRUE(std::filesystem::is_empty(away));
  EXPECT_TRUE(std::filesystem::exists(run.outdir() / "maps/00012/contact.png"));
}

TEST(Confined, FollowsNoLinkBelowItsFolder) {
  const TinyRun run;
  std::filesystem::create_directories(run.path("away"));
  std::filesystem::create_directories(run.outdir() / "samples");
  std::filesystem::create_directory_symlink(run.path("away"), run.outdir() / "samples/cat");
  std::filesystem::create_directory_symlink(run.path("away"), run.outdir() / "maps");
  const auto list = run.file("tasks.txt",
                             "--prompt cat --steps 1 --name \"{prompt}/{number}\"\n"
                             "--prompt a --steps 1 --attn " +
                                 (run.outdir() / "maps").string() + "\n--prompt dog --steps 1\n");
  const auto finished = run({"--from-file", list, "--confined", "--json"});
  EXPECT_EQ(statuses(finished), (Texts{"0:failed", "1:failed", "2:done"})) << finished.err;
  EXPECT_TRUE(contains(finished.err, "samples/cat")) << finished.err;
  EXPECT_TRUE(std::filesystem::is_empty(run.path("away")));
}

TEST(Resume, SaysThatAListWasNotBegunHere) {
  const TinyRun run;
  const auto list = run.file("tasks.txt", "a cat\n");
  const auto finished = run({"--from-file", list, "--resume", "--steps", "1"});
  EXPECT_EQ(finished.code, 0);
  EXPECT_TRUE(contains(finished.err, "tasks.txt was not begun in")) << finished.err;
}

TEST(Tasks, TakeNoNameThatIsTaken) {
  const TinyRun run;
  const auto list = run.file("tasks.txt", "--prompt \"a cat\" --steps 1\n--prompt b --stepz 1\n");
  ASSERT_EQ(run({"--from-file", list, "-q"}).code, 3);
  // A run without a list keeps out of the numbers that one has taken, drawn or not.
  ASSERT_EQ(run({"--prompt", "a dog", "--n_samples", "1", "--n_iter", "1", "--skip_grid"}).code, 0);
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00002.png"}));
  // What has one of them all the same is left alone.
  test::write_text(run.outdir() / "samples/00001.png", "somebody else's");
  run.file("tasks.txt", "--prompt \"a cat\" --steps 1\n--prompt b --steps 1\n");
  EXPECT_EQ(run({"--from-file", list, "--resume", "-q"}).code, 0);
  EXPECT_EQ(run.samples(), (Texts{"00000.png", "00001-0001.png", "00001.png", "00002.png"}));
  EXPECT_EQ(bytes_of(run.outdir() / "samples/00001.png"), "somebody else's");
}

TEST(Tasks, AreReadFromUtf16AndAnyLineEnds) {
  const TinyRun run;
  const std::string text = "--prompt \"a red apple\" --seed 1\r-- a cat\r";
  std::string wide = "\xFF\xFE";
  for (const char c : text) wide += {c, '\0'};
  const auto list = run.file("list.txt", wide);
  const auto finished = run({"--from-file", list, "--steps", "1", "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto lines = test::image_lines(finished);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("prompt"), "a red apple");
  EXPECT_EQ(lines[1].at("prompt"), "-- a cat");
  EXPECT_TRUE(contains(finished.err, "line 1 has options of its own")) << finished.err;
}

TEST(Tasks, WholeNumbersOfJsonMayHaveAPointOrAnExponent) {
  const TinyRun run;
  const auto list = run.file("tasks.jsonl",
                             "{\"prompt\": \"a\", \"steps\": 2.0, \"seed\": 1e1, \"W\": 64.0, "
                             "\"scale\": 3.0}\n{\"prompt\": [\"b\"], \"steps\": 1}\n");
  const auto finished = run({"--from-file", list});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto lines = test::image_lines(finished);
  EXPECT_EQ(lines[0].at("steps"), 2);
  EXPECT_EQ(lines[0].at("seed"), 10);
  EXPECT_EQ(lines[0].at("width"), 64);
  EXPECT_EQ(lines[1].at("prompt"), "b");
}

TEST(Batches, OptionsWithoutATaskListOrOutOfRangeAreErrors) {
  const TinyRun run;
  const auto list = run.file("prompts.txt", "a cat\n");
  const std::vector<std::pair<Texts, std::string>> cases = {
      {{"--shard", "1/2"}, "--from-file"},
      {{"--resume"}, "--from-file"},
      {{"--confined"}, "--from-file"},
      {{"--from-file", list, "--shard", "3/2"}, "3/2 is out of range"},
      {{"--from-file", list, "--shard", "half"}, "'half' is not I/N"},
      {{"--from-file", list, "--grid", "scale=1"}, "--grid and --from-file"},
      {{"--grid", "scale=1", "--resume"}, "--grid: --resume"},
  };
  for (const auto& [arguments, part] : cases) {
    const auto finished = run(arguments);
    EXPECT_EQ(finished.code, 2) << part;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
    EXPECT_FALSE(std::filesystem::exists(run.outdir()));
  }
}

}  // namespace
}  // namespace sd
