#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::as_bytes;
using test::expect_error;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// The exit status of `child`, run in a process of its own, so that limits and mounts do not
/// outlive it.
int status_of_child(const std::function<int()>& child) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(child());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr int kAsExpected = 0;
constexpr int kNothingThrown = 1;
constexpr int kOtherMessage = 2;
constexpr int kFilesLeft = 3;
constexpr int kNotPossibleHere = 4;

/// Writes a megabyte into `folder`, where it does not fit; kAsExpected if the error names file and
/// reason and no file is left.
int write_too_much(const fs::path& folder, const std::string& reason) {
  try {
    write_file(folder / "big.png", as_bytes(std::string(1 << 20, 'x')));
  } catch (const IoError& error) {
    const std::string message = error.what();
    if (message.find("big.png") == std::string::npos || message.find(reason) == std::string::npos)
      return kOtherMessage;
    return entries(folder) == 0 ? kAsExpected : kFilesLeft;
  }
  return kNothingThrown;
}

TEST(WriteFile, WritesTheBytesAndNothingElse) {
  const test::TempFolder folder;
  write_file(folder / "a.bin", as_bytes(std::string("x\0y", 3)));
  EXPECT_EQ(test::read_text(folder / "a.bin"), std::string("x\0y", 3));
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(WriteFile, WritesAnEmptyFile) {
  const test::TempFolder folder;
  write_file(folder / "empty", {});
  EXPECT_EQ(fs::file_size(folder / "empty"), 0U);
}

TEST(WriteFile, TakesTheLongestNameAFileMayHave) {
  const test::TempFolder folder;
  const std::string name(255, 'n');
  write_file(folder / name, as_bytes("x"));
  EXPECT_EQ(test::read_text(folder / name), "x");
}

TEST(WriteFile, OthersMayReadTheFileAsTheUmaskSays) {
  const test::TempFolder folder;
  const mode_t mask = ::umask(022);
  write_file(folder / "a", as_bytes("x"));
  ::umask(mask);
  EXPECT_EQ(fs::status(folder / "a").permissions(), fs::perms(0644));
}

TEST(WriteFile, ExistingFileStaysWithoutOverwrite) {
  const test::TempFolder folder;
  test::write_text(folder / "a", "old");
  expect_error<IoError>([&] { write_file(folder / "a", as_bytes("new")); }, "exists already");
  EXPECT_EQ(test::read_text(folder / "a"), "old");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(WriteFile, OfManyWritersOfOneNameExactlyOneSucceeds) {
  const test::TempFolder folder;
  std::atomic<int> written = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&] {
      try {
        write_file(folder / "one", as_bytes("x"));
        ++written;
      } catch (const IoError&) {
        // One of the seven that came late.
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(written, 1);
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(WriteFile, OverwriteReplacesTheFile) {
  const test::TempFolder folder;
  test::write_text(folder / "a", "old");
  write_file(folder / "a", as_bytes("new"), /*overwrite=*/true);
  EXPECT_EQ(test::read_text(folder / "a"), "new");
}

TEST(WriteFile, OverwriteThroughALinkReplacesItsTarget) {
  const test::TempFolder folder;
  test::write_text(folder / "a", "old");
  fs::create_symlink("a", folder / "link");
  write_file(folder / "link", as_bytes("new"), /*overwrite=*/true);
  EXPECT_EQ(test::read_text(folder / "a"), "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
}

TEST(WriteFile, OverwriteRefusesWhatIsNoFile) {
  const test::TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  fs::create_symlink("nowhere", folder / "dangling");
  expect_error<IoError>([&] { write_file(folder / "fifo", as_bytes("x"), true); },
                        "not a regular file");
  expect_error<IoError>([&] { write_file(folder.path(), as_bytes("x"), true); },
                        "not a regular file");
  expect_error<IoError>([&] { write_file(folder / "dangling", as_bytes("x"), true); },
                        "link to nowhere");
  expect_error<IoError>([&] { write_file(folder / "fifo", as_bytes("x"), true); }, "a FIFO");
  expect_error<IoError>([] { write_file("/dev/null", as_bytes("x"), true); }, "a device");
  EXPECT_TRUE(fs::is_fifo(folder / "fifo"));
}

TEST(WriteFile, AFolderThatIsALinkToNowhereIsNamed) {
  const test::TempFolder folder;
  fs::create_symlink("nowhere", folder / "dangling");
  expect_error<IoError>([&] { write_file(folder / "dangling/a.png", as_bytes("x")); },
                        "is a link to nowhere, which does not exist");
}

TEST(WriteFile, MissingFolderIsNamed) {
  const test::TempFolder folder;
  expect_error<IoError>([&] { write_file((folder / "absent") / "a.png", as_bytes("x")); },
                        "absent/a.png", "its folder does not exist");
}

TEST(WriteFile, PathWithoutANameIsAnError) {
  expect_error<IoError>([] { write_file("", as_bytes("x")); }, "no file name");
  expect_error<IoError>([] { write_file("folder/", as_bytes("x")); }, "no file name");
}

TEST(WriteFile, UnwritableFolderIsAnError) {
  // Not even root may make files there.
  expect_error<IoError>([] { write_file("/proc/a.png", as_bytes("x")); }, "/proc/a.png",
                        "cannot be written");
}

TEST(WriteFile, FileTooLargeForTheLimitLeavesNothingBehind) {
  const test::TempFolder folder;
  const int status = status_of_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);  // so that write(2) fails instead
    const rlimit limit{1024, 1024};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return kNotPossibleHere;
    return write_too_much(folder.path(), "File too large");
  });
  EXPECT_EQ(status, kAsExpected);
}

TEST(WriteFile, FullDiskIsNamedAndLeavesNothingBehind) {
  const test::TempFolder folder;
  const int status = status_of_child([&] {
    // A private file system of 64 KB: as root, or as root of a user namespace where the kernel
    // allows it.
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
      return kNotPossibleHere;
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    if (::mount("none", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0)
      return kNotPossibleHere;
    return write_too_much(folder.path(), "The disk is full");
  });
  if (status == kNotPossibleHere) GTEST_SKIP() << "no small file system can be mounted here";
  EXPECT_EQ(status, kAsExpected);
}

TEST(MakeWritableFolder, MakesParentsAndLeavesNothingInside) {
  const test::TempFolder folder;
  make_writable_folder(folder / "a/b/c");
  make_writable_folder(folder / "a/b/c");
  EXPECT_TRUE(fs::is_empty(folder / "a/b/c"));
}

TEST(MakeWritableFolder, FileInItsPlaceIsAnError) {
  const test::TempFolder folder;
  test::write_text(folder / "file", "x");
  expect_error<IoError>([&] { make_writable_folder(folder / "file"); }, "file",
                        "expected a folder");
  expect_error<IoError>([&] { make_writable_folder(folder / "file/below"); }, "file/below",
                        "cannot be made");
}

TEST(MakeWritableFolder, WhatIsInItsPlaceIsNamed) {
  const test::TempFolder folder;
  fs::create_symlink("nowhere", folder / "dangling");
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  expect_error<IoError>([&] { make_writable_folder(folder / "dangling"); }, "is a link to nowhere",
                        "does not exist");
  expect_error<IoError>([&] { make_writable_folder(folder / "dangling/below"); },
                        "is a link to nowhere", "does not exist");
  expect_error<IoError>([&] { make_writable_folder(folder / "fifo"); }, "found a FIFO");
  expect_error<IoError>([] { make_writable_folder("/dev/null"); }, "found a device");
  expect_error<IoError>([] { make_writable_folder("/dev/null/below"); }, "/dev/null is a device");
}

TEST(MakeWritableFolder, UnwritablePlaceIsAnError) {
  expect_error<IoError>([] { make_writable_folder("/proc"); }, "/proc", "no files can be written");
  expect_error<IoError>([] { make_writable_folder("/proc/sd-out"); }, "/proc/sd-out",
                        "cannot be made");
  expect_error<IoError>([] { make_writable_folder(""); }, "empty name");
}

TEST(AtomicFile, HasItsNameOnlyWhenItIsWhole) {
  const test::TempFolder folder;
  AtomicFile file(folder / "x");
  file.write(as_bytes("ab"));
  file.write(as_bytes("cd"));
  EXPECT_FALSE(fs::exists(folder / "x"));
  file.finish();
  EXPECT_EQ(test::read_text(file.temporary()), "abcd");
  file.commit();
  EXPECT_EQ(test::read_text(folder / "x"), "abcd");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(AtomicFile, LeavesNothingWithoutACommit) {
  const test::TempFolder folder;
  {
    AtomicFile file(folder / "x");
    file.write(as_bytes("ab"));
    file.finish();
  }
  EXPECT_EQ(entries(folder.path()), 0u);
}

TEST(AtomicFile, DoesNotReplaceWhatCameMeanwhile) {
  const test::TempFolder folder;
  AtomicFile file(folder / "x");
  file.finish();
  test::write_text(folder / "x", "theirs");
  expect_error<IoError>([&] { file.commit(); }, "x: exists already");
  EXPECT_EQ(test::read_text(folder / "x"), "theirs");
}

TEST(AtomicFolder, AppearsWithEverythingOrNotAtAll) {
  const test::TempFolder folder;
  {
    AtomicFolder made(folder / "model");
    fs::create_directories(made.temporary() / "unet");
    write_file(made.temporary() / "unet" / "x", as_bytes("ab"));
    EXPECT_FALSE(fs::exists(folder / "model"));
    made.commit();
  }
  EXPECT_EQ(test::read_text(folder / "model/unet/x"), "ab");
  {
    AtomicFolder left(folder / "other");
    write_file(left.temporary() / "x", as_bytes("ab"));
  }
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(AtomicFolder, ReplacesNothing) {
  const test::TempFolder folder;
  AtomicFolder made(folder / "model");
  fs::create_directory(folder / "model");  // empty: rename alone would take its place
  expect_error<IoError>([&] { made.commit(); }, "model: exists already");
  expect_error<IoError>([&] { AtomicFolder(folder / "absent/model"); },
                        "its folder does not exist");
}

}  // namespace
}  // namespace sd
