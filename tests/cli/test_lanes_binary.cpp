// Work that is divided among several devices, through the binary with several lanes of the CPU:
// files and lines are those of one device.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "cli/tiny_run.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;
using Words = std::vector<std::string>;

using Variable = std::pair<std::string, std::string>;
const Variable kThreeLanes = {"SD_TEST_CPU_LANES", "3"};
const Variable kOverlap = {"SD_TEST_OVERLAP", "1"};

/// A run on several lanes of the CPU, by default three.
test::ProcessSetup on_lanes(const TinyRun& run, Words arguments,
                            const Variable& lanes = kThreeLanes) {
  arguments.push_back("-v");
  auto setup = run.setup(arguments);
  setup.environment.push_back(lanes);
  return setup;
}

/// The bytes of all files below a folder, by their names; a journal tells times.
std::map<std::string, std::string> files_below(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().filename() == "tasks.jsonl") continue;
    std::ifstream input(entry.path(), std::ios::binary);
    files[entry.path().lexically_relative(folder)] = {std::istreambuf_iterator<char>(input), {}};
  }
  return files;
}

/// The lines of stdout without the run's own folder.
Words told(const TinyRun& run, const test::Finished& finished) {
  const auto folder = run.outdir().string();
  auto lines = finished.lines();
  for (auto& line : lines) {
    const auto at = line.find(folder);
    if (at != std::string::npos) line.erase(at, folder.size());
  }
  return lines;
}

/// Draws on one device and on lanes, which must come to the same, and returns the latter's end;
/// `divided` is what only a run on lanes says.
test::Finished expect_same(const Words& arguments, const std::string& divided,
                           const Variable& how = kThreeLanes) {
  const TinyRun alone, lanes;
  const auto first = alone(arguments);
  const auto second = run_program(on_lanes(lanes, arguments, how));
  EXPECT_EQ(first.code, second.code) << first.err << second.err;
  EXPECT_EQ(told(alone, first), told(lanes, second));
  EXPECT_EQ(files_below(alone.outdir()), files_below(lanes.outdir()));
  EXPECT_TRUE(contains(second.err, divided)) << second.err;
  return second;
}

TEST(Lanes, TasksAreThoseOfOneDeviceAlsoWhereOneFails) {
  const TinyRun folder;
  const auto list = folder.file("tasks.txt",
                                "--prompt \"a red apple\" --n_iter 2 --n_samples 2\n"
                                "a blue cat\n"
                                "--prompt \"a cat\" --width 63\n"
                                "a blue cat\n"
                                "a red circle\n");
  // A name without a number goes to the first that is told of.
  const auto finished = expect_same({"--from-file", list, "--name", "{prompt}"},
                                    "tasks are divided among cpu, cpu, cpu");
  EXPECT_EQ(finished.code, 3) << finished.err;
  EXPECT_TRUE(contains(finished.err, "line 3: --width 63")) << finished.err;
  EXPECT_TRUE(contains(finished.err, "4 of 5 tasks done, 1 failed")) << finished.err;
}

TEST(Lanes, BatchesTakeTheirOwnOfTheRunsRandomNumbers) {
  // A sampler that draws in every step, from one stream for all batches.
  const auto finished = expect_same(
      {"--prompt", "a red apple", "--n_iter", "4", "--n_samples", "1", "--sampler", "euler_a"},
      "computing in f32 on cpu, cpu, cpu");
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST(Lanes, ASecondOneMayShareTheFirstOnesModel) {
  const auto finished = expect_same(
      {"--prompt", "a red apple", "--n_iter", "4", "--n_samples", "1", "--sampler", "euler_a"},
      "batches are decoded while the next are sampled", kOverlap);
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST(Lanes, CellsOfAGridStandInTheirPlaces) {
  const auto finished =
      expect_same({"--prompt", "a red apple", "--grid", "sampler=ddim,plms,euler;scale=2,5"},
                  "cells are divided among cpu, cpu, cpu");
  EXPECT_EQ(finished.code, 0) << finished.err;
}

/// Pictures are numbered without gaps, and each was told of.
void expect_told_in_order(const TinyRun& run, const test::Finished& finished) {
  const auto names = run.samples();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(finished.lines().size(), names.size());
  EXPECT_EQ(std::stoul(names.back()) + 1, names.size());
}

TEST(Lanes, CtrlCEndsAllAndKeepsWhatWasToldOf) {
  const TinyRun run;
  test::Process process(on_lanes(run, {"--n_samples", "1", "--n_iter", "5000"}));
  ASSERT_TRUE(process.wait_until([&] { return run.samples().size() > 3; }));
  process.signal(SIGINT);
  const auto finished = process.wait();
  EXPECT_EQ(finished.code, 130);
  EXPECT_TRUE(contains(finished.err, "of 5000 pictures kept in")) << finished.err;
  expect_told_in_order(run, finished);
}

TEST(Lanes, CtrlCEndsAListOnAllDevices) {
  const TinyRun run;
  std::string tasks;
  for (int i = 0; i < 1000; ++i) tasks += "--prompt cat --n_iter 1\n";
  test::Process process(on_lanes(run, {"--from-file", run.file("tasks.txt", tasks)}));
  ASSERT_TRUE(process.wait_until([&] { return run.samples().size() > 3; }));
  process.signal(SIGINT);
  const auto finished = process.wait();
  EXPECT_EQ(finished.code, 130);
  EXPECT_TRUE(contains(finished.err, " of 1000 tasks done\n")) << finished.err;
  expect_told_in_order(run, finished);
}

}  // namespace
}  // namespace sd
