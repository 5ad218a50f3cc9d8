#include <gtest/gtest.h>
#include <stdlib.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/options/shard.h"
#include "core/launchers.h"
#include "sd/core/error.h"
#include "support/expect_error.h"

namespace sd::cli {
namespace {

/// The environment of one process of a launcher; gone with this object.
class Environment {
 public:
  explicit Environment(std::vector<std::pair<std::string, std::string>> variables) {
    for (const char* name :
         {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK",
          "MV2_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS",
          "SLURM_NTASKS", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
          "SLURM_ARRAY_TASK_STEP", "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK",
          "MPI_LOCALRANKID", "SLURM_LOCALID"})
      unsetenv(name);
    for (const auto& [name, value] : variables) {
      setenv(name.c_str(), value.c_str(), 1);
      names_.push_back(name);
    }
  }
  ~Environment() {
    for (const auto& name : names_) unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<std::string> names_;
};

std::string launched_text() {
  const auto launched = launched_shard();
  return launched ? launched->shard.text() + " " + launched->launcher : "alone";
}

TEST(Shard, TakesEveryNthTask) {
  const auto shard = parse_shard("2/3");
  std::vector<int64_t> taken;
  for (int64_t task = 0; task < 8; ++task) {
    if (shard.takes(task)) taken.push_back(task);
  }
  EXPECT_EQ(taken, (std::vector<int64_t>{1, 4, 7}));
  EXPECT_EQ(shard.text(), "2/3");
}

TEST(Shard, OutOfRangeOrNoneIsAnError) {
  for (const char* text : {"0/3", "4/3", "-1/3", "1/0", "1/-2", "1/99999999", "3", "a/b", "1/",
                           "/2", "", "1/2/3", "99999999999999999999/3"})
    EXPECT_THROW(parse_shard(text), UsageError) << text;
}

TEST(LaunchedShard, FollowsWhatStartedTheProcess) {
  using Variables = std::vector<std::pair<std::string, std::string>>;
  const std::vector<std::pair<Variables, std::string>> cases = {
      {{}, "alone"},
      {{{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "3"}}, "2/3 srun"},
      // A batch script that starts one process itself.
      {{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "3"}}, "alone"},
      {{{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}, "alone"},
      {{{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "2"}}, "1/2 mpirun"},
      // mpirun's daemons are started by srun, one a node.
      {{{"OMPI_COMM_WORLD_RANK", "3"},
        {"OMPI_COMM_WORLD_SIZE", "4"},
        {"SLURM_PROCID", "1"},
        {"SLURM_STEP_NUM_TASKS", "2"}},
       "4/4 mpirun"},
      {{{"PMI_RANK", "4"}, {"PMI_SIZE", "5"}}, "5/5 mpirun"},
      {{{"SLURM_ARRAY_TASK_ID", "7"},
        {"SLURM_ARRAY_TASK_MIN", "3"},
        {"SLURM_ARRAY_TASK_STEP", "2"},
        {"SLURM_ARRAY_TASK_COUNT", "4"}},
       "3/4 a job array"},
      {{{"SLURM_ARRAY_TASK_ID", "1"},
        {"SLURM_ARRAY_TASK_MIN", "0"},
        {"SLURM_ARRAY_TASK_COUNT", "2"},
        {"SLURM_PROCID", "1"},
        {"SLURM_STEP_NUM_TASKS", "3"}},
       "5/6 srun in a job array"},
  };
  for (const auto& [variables, expected] : cases) {
    const Environment environment(variables);
    EXPECT_EQ(launched_text(), expected);
  }
}

TEST(LocalRank, IsTheMpisBeforeSlurms) {
  using Variables = std::vector<std::pair<std::string, std::string>>;
  const std::vector<std::pair<Variables, std::optional<int64_t>>> cases = {
      {{}, std::nullopt},
      {{{"SLURM_LOCALID", "2"}}, 2},
      {{{"MPI_LOCALRANKID", "3"}, {"SLURM_LOCALID", "0"}}, 3},
      {{{"MV2_COMM_WORLD_LOCAL_RANK", "1"}}, 1},
      {{{"OMPI_COMM_WORLD_LOCAL_RANK", "5"}, {"SLURM_LOCALID", "1"}}, 5},
      {{{"OMPI_COMM_WORLD_LOCAL_RANK", ""}, {"SLURM_LOCALID", "1"}}, 1},
  };
  for (const auto& [variables, expected] : cases) {
    const Environment environment(variables);
    EXPECT_EQ(local_rank(), expected);
  }
}

TEST(LocalRank, NamesTheVariableThatMakesNoSense) {
  for (const char* text : {"x", "-1", "1 ", "99999999999"}) {
    const std::vector<std::pair<std::string, std::string>> one = {{"SLURM_LOCALID", text}};
    const Environment environment(one);
    test::expect_error<UsageError>([] { local_rank(); }, std::string("SLURM_LOCALID: '") + text,
                                   "--device cuda:N");
  }
}

TEST(LaunchedShard, NamesTheVariableThatMakesNoSense) {
  using Variables = std::vector<std::pair<std::string, std::string>>;
  const std::vector<std::pair<Variables, std::string>> cases = {
      {{{"PMI_RANK", "x"}, {"PMI_SIZE", "2"}}, "PMI_RANK"},
      {{{"SLURM_PROCID", "3"}, {"SLURM_STEP_NUM_TASKS", "3"}}, "SLURM_PROCID"},
      {{{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "0"}}, "OMPI_COMM_WORLD_SIZE"},
      {{{"SLURM_ARRAY_TASK_ID", "9"},
        {"SLURM_ARRAY_TASK_MIN", "0"},
        {"SLURM_ARRAY_TASK_COUNT", "3"}},
       "SLURM_ARRAY_TASK_ID"},
  };
  for (const auto& [variables, name] : cases) {
    const Environment environment(variables);
    try {
      launched_shard();
      ADD_FAILURE() << name;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace sd::cli
