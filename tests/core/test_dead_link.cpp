#include <gtest/gtest.h>

#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TempFolder;

TEST(DeadLink, NamesTheLinkAndWhereItPoints) {
  const TempFolder folder;
  fs::create_symlink("moved/there.ckpt", folder / "a.ckpt");
  EXPECT_EQ(dead_link(folder / "a.ckpt"),
            (folder / "a.ckpt").string() + " is a link to moved/there.ckpt, which does not exist");
  expect_error<IoError>([&] { is_present(folder / "a.ckpt"); }, "moved/there.ckpt");
  expect_error<IoError>([&] { MappedFile::open(folder / "a.ckpt"); }, "moved/there.ckpt");
}

TEST(DeadLink, OfAFolderOnTheWayIsNamed) {
  const TempFolder folder;
  fs::create_directory_symlink("gone", folder / "models");
  expect_error<IoError>([&] { is_present_file(folder / "models" / "x" / "a.ckpt"); },
                        (folder / "models").string() + " is a link to gone");
}

TEST(DeadLink, TheEndOfSeveralLinksIsNamed) {
  const TempFolder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("c", folder / "b");
  EXPECT_EQ(dead_link(folder / "a"),
            (folder / "a").string() + " leads, by several links, to c, which does not exist");
}

TEST(DeadLink, ACircleIsNamed) {
  const TempFolder folder;
  fs::create_symlink("a", folder / "a");
  EXPECT_EQ(dead_link(folder / "a"),
            (folder / "a").string() + " is a link that leads back to itself");
}

TEST(DeadLink, WhatIsThereOrNeverWasIsNone) {
  const TempFolder folder;
  test::write_text(folder / "file", "x");
  fs::create_symlink("file", folder / "link");
  for (const char* name : {"file", "link", "absent", "absent/a"}) {
    EXPECT_EQ(dead_link(folder / name), std::nullopt) << name;
  }
  EXPECT_TRUE(is_present(folder / "link"));
  EXPECT_FALSE(is_present(folder / "absent"));
  EXPECT_FALSE(is_present_file(folder.path()));
}

}  // namespace
}  // namespace sd
