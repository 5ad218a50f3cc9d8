#include <gtest/gtest.h>

#include "cli/models/find_model.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempFolder;
using test::write_text;

void place(const fs::path& root, const char* name) {
  fs::create_directories((root / name).parent_path());
  write_text(root / name, "weights");
}

TEST(FindModel, TakesWhatIsGiven) {
  const TempFolder folder;
  write_text(folder / "my.ckpt", "weights");
  const auto found = find_model(folder / "my.ckpt", {});
  EXPECT_EQ(found.checkpoint, folder / "my.ckpt");
  EXPECT_FALSE(found.is_demo);
}

TEST(FindModel, PrefersTheDefaultCheckpointOfAnyRootToTheDemo) {
  const TempFolder first;
  const TempFolder second;
  place(first.path(), kDemoModel);
  place(second.path(), kDefaultCheckpoint);
  const auto found = find_model(std::nullopt, {first.path(), second.path()});
  EXPECT_EQ(found.checkpoint, second / kDefaultCheckpoint);
  EXPECT_FALSE(found.is_demo);
}

TEST(FindModel, KnowsWhereTheForkKeepsItsCheckpoint) {
  const TempFolder folder;
  place(folder.path(), kDemoModel);
  place(folder.path(), "models/ldm/stable-diffusion-v1/sd-v1-3-full-ema.ckpt");
  const auto fork = find_model(std::nullopt, {folder.path()});
  EXPECT_EQ(fork.checkpoint.filename(), "sd-v1-3-full-ema.ckpt");
  EXPECT_FALSE(fork.is_demo);
  place(folder.path(), kDefaultCheckpoint);
  EXPECT_EQ(find_model(std::nullopt, {folder.path()}).checkpoint, folder / kDefaultCheckpoint);
}

TEST(FindModel, FallsBackToTheDemo) {
  const TempFolder folder;
  place(folder.path(), kDemoModel);
  const auto found = find_model(std::nullopt, {fs::path("/nowhere"), folder.path()});
  EXPECT_EQ(found.checkpoint, folder / kDemoModel);
  EXPECT_TRUE(found.is_demo);
}

TEST(FindModel, NamesWhereItLooked) {
  const TempFolder folder;
  expect_error<IoError>([&] { find_model(std::nullopt, {folder.path()}); }, "no model found",
                        "--ckpt", (folder / kDemoModel).string());
}

TEST(FindModel, NamesACheckpointThatIsNotThere) {
  expect_error<IoError>([] { find_model(fs::path("absent.ckpt"), {}); },
                        "--ckpt: absent.ckpt does not exist");
}

TEST(FindModel, DoesNotHideABrokenLinkBehindTheDemo) {
  const TempFolder folder;
  place(folder.path(), kDemoModel);
  fs::create_directories((folder / kDefaultCheckpoint).parent_path());
  fs::create_symlink("/nowhere/sd-v1-4.ckpt", folder / kDefaultCheckpoint);
  expect_error<IoError>([&] { find_model(std::nullopt, {folder.path()}); },
                        "is a link to /nowhere/sd-v1-4.ckpt");
}

}  // namespace
}  // namespace sd::cli
