// What loading a model sets in the process, and what a model says of its words.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "pipeline/waiting_threads.h"
#include "sd/pipeline/load.h"
#include "sd/pipeline/vocabulary.h"

namespace sd {
namespace {

int64_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

// libgomp lets threads wait in long loops unless it has more of them than CPUs.
TEST(WaitingThreads, SleepSoonSinceThereAreMoreThanCpus) {
  const auto cpus = sysconf(_SC_NPROCESSORS_ONLN);
  const auto before = threads_of_this_process();
  setenv("GOMP_SPINCOUNT", "1000", 1);
  limit_waiting_in_loops(1);
  EXPECT_EQ(threads_of_this_process(), before);  // somebody has decided
  unsetenv("GOMP_SPINCOUNT");
  unsetenv("OMP_WAIT_POLICY");
  limit_waiting_in_loops(static_cast<int>(cpus) + 1);
  EXPECT_EQ(threads_of_this_process(), before);  // there are more already
  limit_waiting_in_loops(1);
  const auto standing_by = threads_of_this_process() - before;
  EXPECT_GE(standing_by, 2);
  limit_waiting_in_loops(1);
  EXPECT_EQ(threads_of_this_process() - before, standing_by);  // once is enough
}

LoadedModel load(const std::filesystem::path& path) {
  LoadRequest request;
  request.checkpoint = path;
  request.device.kind = DeviceChoice::Kind::kCpu;
  request.threads = 1;
  return load_model(request);
}

std::vector<bool> learnt_tokens(const LoadedModel& model, const std::string& text) {
  std::vector<int64_t> ids;
  for (const auto& token : model.tokenizer->tokenize(text)) ids.push_back(token.id);
  return learnt_ids(model, ids);
}

TEST(LearntIds, AreThoseOfWordsThatTrainingMet) {
  const auto model = load(SD_SOURCE_DIR "/models/demo");
  EXPECT_EQ(learnt_tokens(model, "a samurai cat, cyberpunk"),
            (std::vector<bool>{true, false, true, true, false}));
  EXPECT_EQ(learnt_ids(model, {}), std::vector<bool>());
}

TEST(LearntIds, AreAllWhereNoRowIsZero) {
  const auto model = load(SD_TEST_DATA "/tiny-v1.ckpt");
  EXPECT_EQ(learnt_tokens(model, "a samurai"), (std::vector<bool>{true, true}));
}

}  // namespace
}  // namespace sd
