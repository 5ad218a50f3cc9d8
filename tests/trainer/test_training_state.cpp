#include <gtest/gtest.h>

#include <filesystem>

#include "sd/core/error.h"
#include "sd/nn/layers.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "trainer/training_state.h"

namespace sd::train {
namespace {

using test::expect_error;
using test::TempFolder;

struct Trained {
  explicit Trained(int64_t width = 4) : layer(width, 2) {}
  Linear layer;
  FlatParameters parameters{parameter_slots(*layer)};
  Optimizer optimizer{parameters, {}};
  Position position;

  void step(double gradient) {
    parameters.gradients().fill_(gradient);
    optimizer.step(0.1);
    ++position.step;
    position.pictures += 10;
  }
};

class StateFileTest : public ::testing::Test {
 protected:
  bool load(Trained& into) {
    TensorMap extra;
    return state.load(into.parameters, into.optimizer, into.position, extra,
                      [this](const std::string& text) { said += text + "\n"; });
  }
  void save(const Trained& from) { state.save(from.parameters, from.optimizer, from.position); }

  TempFolder folder;
  StateFile state{folder.path(), "unet"};
  std::filesystem::path newest = folder / "unet.state.safetensors";
  std::string said;
};

TEST_F(StateFileTest, TrainingGoesOnAsIfItHadNeverStopped) {
  Trained whole, before;
  for (int i = 0; i < 4; ++i) whole.step(0.1 * (i + 1));
  for (int i = 0; i < 2; ++i) before.step(0.1 * (i + 1));
  save(before);
  Trained after;
  ASSERT_TRUE(load(after));
  EXPECT_EQ(after.position.step, 2);
  EXPECT_EQ(after.position.pictures, 20);
  for (int i = 2; i < 4; ++i) after.step(0.1 * (i + 1));
  EXPECT_TRUE(after.parameters.values().equal(whole.parameters.values()));
  EXPECT_TRUE(after.optimizer.average.equal(whole.optimizer.average));
}

TEST_F(StateFileTest, NoStateIsNoError) {
  Trained fresh;
  EXPECT_FALSE(load(fresh));
  EXPECT_EQ(said, "");
}

TEST_F(StateFileTest, AStateThatWasCutShortGivesWayToThePreviousOne) {
  Trained trained;
  trained.step(0.1);
  save(trained);
  trained.step(0.1);
  save(trained);
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) / 2);
  Trained after;
  ASSERT_TRUE(load(after));
  EXPECT_EQ(after.position.step, 1);
  EXPECT_NE(said.find("cannot be used"), std::string::npos) << said;
  EXPECT_NE(said.find("unet.state.previous.safetensors at step 1"), std::string::npos) << said;
}

TEST_F(StateFileTest, KilledBetweenTheTwoRenamesThePreviousStateIsThere) {
  Trained trained;
  trained.step(0.1);
  save(trained);
  std::filesystem::rename(newest, folder / "unet.state.previous.safetensors");
  Trained after;
  ASSERT_TRUE(load(after));
  EXPECT_EQ(after.position.step, 1);
}

TEST_F(StateFileTest, AStateOfAnotherModelIsRefused) {
  Trained trained(4), other(6);
  save(trained);
  expect_error<CheckpointError>([&] { load(other); }, "unet.state", "other sizes");
}

TEST_F(StateFileTest, AFolderThatIsGoneIsAnInputError) {
  Trained trained;
  const StateFile nowhere(folder / "absent", "unet");
  expect_error<IoError>(
      [&] { nowhere.save(trained.parameters, trained.optimizer, trained.position); }, "absent");
}

TEST_F(StateFileTest, AMissingStateNamesTheStageToRun) {
  expect_error<UsageError>([&] { state.tensor("vocabulary"); }, "sd-train unet");
}

}  // namespace
}  // namespace sd::train
