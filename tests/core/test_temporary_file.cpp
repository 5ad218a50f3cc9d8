#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>

#include "core/temporary_file.h"
#include "sd/core/atomic_file.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::as_bytes;
using test::TempFolder;

constexpr std::chrono::hours kDay{24};

/// A process that ends as after SIGKILL: without destructors, its locks taken by the kernel.
void die_after(const std::function<void()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    work();
    ::_exit(0);
  }
  ::waitpid(pid, nullptr, 0);
}

/// What a killed process leaves in `folder`.
fs::path left_file(const fs::path& folder) {
  die_after([&] {
    auto* file = new AtomicFile(folder / "picture.png");
    file->write(as_bytes("half"));
  });
  return fs::directory_iterator(folder)->path();
}

/// The same under a name of another machine, or of this one before it was started anew.
fs::path left_by_another_start(const fs::path& folder, std::chrono::hours age) {
  const auto own = left_file(folder);
  auto name = own.filename().string();
  const auto start = name.find('-') + 1;
  name.replace(start, name.find('-', start) - start, "0123456789ab");
  fs::rename(own, folder / name);
  fs::last_write_time(folder / name, fs::file_time_type::clock::now() - age);
  return folder / name;
}

TEST(Sweep, TakesTheFileOfADeadProcess) {
  const TempFolder folder;
  const auto left = left_file(folder.path());
  ASSERT_TRUE(left.filename().string().starts_with(".sd-")) << left;
  write_file(folder / "next.png", as_bytes("x"));
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(folder / "next.png"));
}

TEST(Sweep, TakesTheFolderOfADeadProcess) {
  const TempFolder folder;
  die_after([&] {
    auto* made = new AtomicFolder(folder / "model");
    write_file(made->temporary() / "part", as_bytes("x"));
  });
  ASSERT_FALSE(fs::is_empty(folder.path()));
  make_writable_folder(folder.path());
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Sweep, LeavesTheFilesOfALivingProcess) {
  const TempFolder folder;
  std::array<int, 2> made{}, swept{};
  ASSERT_EQ(::pipe(made.data()), 0);
  ASSERT_EQ(::pipe(swept.data()), 0);
  const pid_t pid = ::fork();
  char byte = 0;
  if (pid == 0) {
    AtomicFile file(folder / "a");
    AtomicFolder inner(folder / "b");
    file.write(as_bytes("whole"));
    file.finish();
    if (::write(made[1], &byte, 1) != 1 || ::read(swept[0], &byte, 1) != 1) ::_exit(1);
    file.commit();
    inner.commit();
    ::_exit(0);
  }
  ASSERT_EQ(::read(made[0], &byte, 1), 1);
  sweep_temporaries(folder.path());
  ASSERT_EQ(::write(swept[1], &byte, 1), 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(test::read_text(folder / "a"), "whole");
  EXPECT_TRUE(fs::is_directory(folder / "b"));
  for (const int end : {made[0], made[1], swept[0], swept[1]}) ::close(end);
}

TEST(Sweep, LeavesTheFilesOfItsOwnProcess) {
  const TempFolder folder;
  const auto mine = make_temporary_file(folder.path());
  sweep_temporaries(folder.path());
  EXPECT_TRUE(fs::exists(mine.path));
}

TEST(Sweep, GoesByTheLockAndNotByTheProcessNumber) {
  const TempFolder folder;
  const auto left = left_file(folder.path());
  auto name = left.filename().string();
  const auto number = name.find('-', name.find('-') + 1) + 1;
  name.replace(number, name.find('-', number) - number, std::to_string(::getpid()));
  fs::rename(left, folder / name);
  sweep_temporaries(folder.path());
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Sweep, LeavesWhatAnotherMachineWroteThisWeek) {
  const TempFolder folder;
  const auto left = left_by_another_start(folder.path(), 6 * kDay);
  sweep_temporaries(folder.path());
  EXPECT_TRUE(fs::exists(left));
}

TEST(Sweep, TakesWhatAnotherMachineGaveUpAWeekAgo) {
  const TempFolder folder;
  const auto left = left_by_another_start(folder.path(), 8 * kDay);
  sweep_temporaries(folder.path());
  EXPECT_FALSE(fs::exists(left));
}

TEST(Sweep, LeavesAnOldFileThatSomebodyHolds) {
  const TempFolder folder;
  const auto left = left_by_another_start(folder.path(), 8 * kDay);
  const FileDescriptor holder(::open(left.c_str(), O_WRONLY | O_CLOEXEC));
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;  // all of it
  ASSERT_EQ(::fcntl(holder.get(), F_OFD_SETLK, &range), 0);
  sweep_temporaries(folder.path());
  EXPECT_TRUE(fs::exists(left));
}

TEST(Sweep, TakesOldNamesOfEarlierVersions) {
  const TempFolder folder;
  for (const char* name : {".sd-417-0-18c2f3a9b1d2e4f0.tmp", ".sd-417-1-18c2f3a9b1d2e4f0.tmp"})
    test::write_text(folder / name, "half");
  fs::last_write_time(folder / ".sd-417-0-18c2f3a9b1d2e4f0.tmp",
                      fs::file_time_type::clock::now() - 8 * kDay);
  sweep_temporaries(folder.path());
  EXPECT_FALSE(fs::exists(folder / ".sd-417-0-18c2f3a9b1d2e4f0.tmp"));
  EXPECT_TRUE(fs::exists(folder / ".sd-417-1-18c2f3a9b1d2e4f0.tmp"));
}

TEST(Sweep, LeavesWhatIsNotOurs) {
  const TempFolder folder;
  for (const char* name : {".sd-notes.tmp", ".sd-.tmp", ".sd-1-2-3.txt", "sd-1-2-3.tmp"}) {
    test::write_text(folder / name, "mine");
    fs::last_write_time(folder / name, fs::file_time_type::clock::now() - 400 * kDay);
  }
  fs::create_symlink(folder / ".sd-notes.tmp", folder / ".sd-417-0-18c2f3a9b1d2e4f0.tmp");
  sweep_temporaries(folder.path());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 5);
}

}  // namespace
}  // namespace sd
