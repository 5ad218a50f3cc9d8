#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::expect_error;

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.size()};
}

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  const test::TempFolder folder;
  test::write_text(folder / "file", std::string("a\0b", 3));
  const auto file = MappedFile::open(folder / "file");
  EXPECT_EQ(text_of(*file), std::string("a\0b", 3));
  EXPECT_EQ(file->path(), folder / "file");
}

TEST(MappedFile, OutlivesTheFilesName) {
  const test::TempFolder folder;
  test::write_text(folder / "file", "kept");
  const auto file = MappedFile::open(folder / "file");
  std::filesystem::remove(folder / "file");
  EXPECT_EQ(text_of(*file), "kept");
}

TEST(MappedFile, EmptyFileHasNoBytes) {
  const test::TempFolder folder;
  test::write_text(folder / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder / "empty")->bytes().empty());
}

TEST(MappedFile, FollowsASymbolicLink) {
  const test::TempFolder folder;
  test::write_text(folder / "file", "x");
  std::filesystem::create_symlink("file", folder / "link");
  EXPECT_EQ(text_of(*MappedFile::open(folder / "link")), "x");
}

TEST(MappedFile, DroppedPagesReadTheSameAgain) {
  const test::TempFolder folder;
  const std::string text(100000, 'q');
  test::write_text(folder / "file", text);
  const auto file = MappedFile::open(folder / "file");
  file->drop(file->bytes());
  file->drop(file->bytes().subspan(5000, 20000));
  EXPECT_EQ(text_of(*file), text);
}

TEST(MappedFile, DropLeavesOtherMemoryAlone) {
  const test::TempFolder folder;
  test::write_text(folder / "file", "x");
  const auto file = MappedFile::open(folder / "file");
  const std::string foreign(100000, 'f');  // on the heap: pages given back would read as zeros
  file->drop(test::as_bytes(foreign));
  EXPECT_EQ(foreign, std::string(100000, 'f'));
}

TEST(MappedFile, MissingFileIsAnError) {
  expect_error<IoError>([] { MappedFile::open("/no/such/file.ckpt"); }, "/no/such/file.ckpt",
                        "no such file");
}

TEST(MappedFile, LinkToNowhereIsNamedAsSuch) {
  const test::TempFolder folder;
  std::filesystem::create_symlink("gone.ckpt", folder / "link");
  expect_error<IoError>([&] { MappedFile::open(folder / "link"); }, "link", "gone.ckpt",
                        "does not exist");
}

TEST(MappedFile, LinkToItselfIsAnError) {
  const test::TempFolder folder;
  std::filesystem::create_symlink("loop", folder / "loop");
  expect_error<IoError>([&] { MappedFile::open(folder / "loop"); }, "symbolic links");
}

TEST(MappedFile, FolderIsAnError) {
  const test::TempFolder folder;
  expect_error<IoError>([&] { MappedFile::open(folder.path()); }, folder.path().string(),
                        "found a folder");
}

TEST(MappedFile, FifoIsAnErrorAndDoesNotWait) {
  const test::TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  expect_error<IoError>([&] { MappedFile::open(folder / "fifo"); }, "found a FIFO");
}

TEST(MappedFile, DeviceIsAnError) {
  expect_error<IoError>([] { MappedFile::open("/dev/zero"); }, "/dev/zero", "found a device");
}

TEST(MappedFile, SocketIsAnError) {
  const test::TempFolder folder;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = (folder / "s").string();
  ASSERT_LT(name.size(), sizeof(address.sun_path));
  name.copy(address.sun_path, name.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  expect_error<IoError>([&] { MappedFile::open(name); }, "found a socket");
  ::close(fd);
}

TEST(MappedFile, UnreadableFileIsAnError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const test::TempFolder folder;
  test::write_text(folder / "secret", "x");
  std::filesystem::permissions(folder / "secret", std::filesystem::perms::none);
  expect_error<IoError>([&] { MappedFile::open(folder / "secret"); }, "secret", "ermission denied");
}

TEST(MappedFile, FileAsFolderIsAnError) {
  const test::TempFolder folder;
  test::write_text(folder / "file", "x");
  expect_error<IoError>([&] { MappedFile::open((folder / "file") / "below"); }, "below");
}

/// A mapped file of three pages, to be harmed.
class ChangingFile : public ::testing::Test {
 protected:
  ChangingFile() {
    guard_mapped_files();
    test::write_text(path_, std::string(kSize, 'a'));
  }
  static constexpr std::size_t kSize = 3 * 4096;
  test::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "model.ckpt";
};

TEST_F(ChangingFile, WhatWasCutOffReadsAsZerosAndIsTold) {
  const auto file = MappedFile::open(path_);
  std::filesystem::resize_file(path_, 100);
  EXPECT_EQ(file->bytes()[kSize - 1], std::byte{0});
  const auto change = file->change();
  ASSERT_TRUE(change);
  EXPECT_NE(change->find("model.ckpt"), std::string::npos) << *change;
  EXPECT_NE(change->find("12288 bytes became 100"), std::string::npos) << *change;
}

TEST_F(ChangingFile, OtherBytesOfTheSameLengthAreTold) {
  const auto file = MappedFile::open(path_);
  const auto time = std::filesystem::last_write_time(path_);
  test::write_text(path_, std::string(kSize, 'b'));
  std::filesystem::last_write_time(path_, time + std::chrono::milliseconds(1));
  const auto change = file->change();
  ASSERT_TRUE(change);
  EXPECT_NE(change->find("written over"), std::string::npos) << *change;
}

TEST_F(ChangingFile, AnotherFileOfItsNameIsNoChange) {
  const auto file = MappedFile::open(path_);
  test::write_text(folder_ / "new", "other");
  std::filesystem::rename(folder_ / "new", path_);
  EXPECT_FALSE(file->change());
  EXPECT_EQ(text_of(*file), std::string(kSize, 'a'));
}

TEST_F(ChangingFile, AWatchNamesAFileThatIsMappedNoLonger) {
  const MappedFilesWatch watch;
  {
    const auto file = MappedFile::open(path_);
    std::filesystem::resize_file(path_, 1);
  }
  expect_error<IoError>([&] { watch.require_unchanged(); }, "model.ckpt", "became 1");
}

TEST_F(ChangingFile, AWatchPassesOverWhatWasMappedAndGoneBefore) {
  {
    const auto file = MappedFile::open(path_);
    std::filesystem::resize_file(path_, 1);
  }
  EXPECT_FALSE(MappedFilesWatch().change());
}

TEST_F(ChangingFile, WorkThatReadOneFailsForThatReason) {
  const auto work = [&]() -> int {
    const auto file = MappedFile::open(path_);
    std::filesystem::resize_file(path_, 1);
    throw CheckpointError("damaged");
  };
  expect_error<IoError>([&] { with_files_unchanged(work); }, "model.ckpt", "changed");
}

using ChangingFileDeathTest = ChangingFile;

TEST_F(ChangingFileDeathTest, AFaultOutsideOfMappedFilesStaysOne) {
  const auto fault = [&] {
    const int fd = ::open(path_.c_str(), O_RDWR);
    const void* begin = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd, 0);
    if (::ftruncate(fd, 0) != 0) std::exit(1);
    std::exit(*static_cast<const volatile char*>(begin));
  };
#if defined(__SANITIZE_ADDRESS__)
  EXPECT_DEATH(fault(), "AddressSanitizer: BUS");  // its handler was there before ours
#else
  EXPECT_EXIT(fault(), ::testing::KilledBySignal(SIGBUS), "");
#endif
}

}  // namespace
}  // namespace sd
