#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "sd/core/error.h"
#include "sd/core/model_hash.h"
#include "sd/core/sha256.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

/// A model file and a cache folder of its own.
class ModelHash : public ::testing::Test {
 protected:
  ModelHash() {
    use_cache_folder(folder_ / "cache");
    test::write_text(model_, "weights");
  }
  ~ModelHash() override { ::unsetenv("XDG_CACHE_HOME"); }

  static void use_cache_folder(const fs::path& path) {
    ::setenv("XDG_CACHE_HOME", path.c_str(), 1);
  }
  static std::string first_digits(std::string_view text) {
    return sha256_hex(test::as_bytes(text)).substr(0, 10);
  }

  test::TempFolder folder_;
  fs::path model_ = folder_ / "model.ckpt";
  fs::path cache_ = folder_ / "cache/sd/hashes.json";
};

TEST_F(ModelHash, IsTheStartOfTheSha256) {
  EXPECT_EQ(model_sha256(model_), sha256_hex(test::as_bytes("weights")));
  EXPECT_EQ(model_hash(model_), first_digits("weights"));
  EXPECT_EQ(model_hash(model_), first_digits("weights"));
}

TEST_F(ModelHash, ComesFromTheCacheWhileSizeAndTimeStay) {
  model_hash(model_);
  const auto time = fs::last_write_time(model_);
  test::write_text(model_, "WEIGHTS");  // of equal size
  fs::last_write_time(model_, time);
  EXPECT_EQ(model_hash(model_), first_digits("weights"));
}

TEST_F(ModelHash, IsComputedAnewWhenTheTimeChanges) {
  model_hash(model_);
  const auto time = fs::last_write_time(model_);
  test::write_text(model_, "WEIGHTS");
  fs::last_write_time(model_, time + std::chrono::milliseconds(1));
  EXPECT_EQ(model_hash(model_), first_digits("WEIGHTS"));
}

TEST_F(ModelHash, IsComputedAnewWhenTheSizeChanges) {
  model_hash(model_);
  const auto time = fs::last_write_time(model_);
  test::write_text(model_, "more weights");
  fs::last_write_time(model_, time);
  EXPECT_EQ(model_hash(model_), first_digits("more weights"));
}

TEST_F(ModelHash, FindsTheSameEntryByAnotherSpellingOfThePath) {
  model_hash(model_);
  const auto written = test::read_text(cache_);
  model_hash(folder_.path() / "." / "cache" / ".." / "model.ckpt");
  EXPECT_EQ(test::read_text(cache_), written);
}

TEST_F(ModelHash, DamagedCacheIsIgnoredAndWrittenAnew) {
  model_hash(model_);
  const std::string good = test::read_text(cache_);
  const std::string key = "{\"" + model_.string() + "\":";
  for (const std::string& damaged :
       {std::string(), std::string("{"), std::string("[1]"), std::string("\xff\xfe"), key + "1}",
        key + "{}}", key + R"({"size":7,"mtime_s":"x","sha256":[]}})", std::string(100000, '[')}) {
    test::write_text(cache_, damaged);
    EXPECT_EQ(model_hash(model_), first_digits("weights"));
    EXPECT_EQ(test::read_text(cache_), good) << damaged.substr(0, 100);
  }
}

TEST_F(ModelHash, CachedTextThatIsNoHashIsNotReturned) {
  model_hash(model_);
  std::string cache = test::read_text(cache_);
  const std::string hash = sha256_hex(test::as_bytes("weights"));
  cache.replace(cache.find(hash), hash.size(), "not a hash");
  test::write_text(cache_, cache);
  EXPECT_EQ(model_hash(model_), first_digits("weights"));
}

TEST_F(ModelHash, CacheFolderThatCannotBeMadeIsNoError) {
  test::write_text(folder_ / "file", "in the way");
  use_cache_folder(folder_ / "file");
  EXPECT_EQ(model_hash(model_), first_digits("weights"));
}

TEST_F(ModelHash, CacheThatIsAFolderIsNoError) {
  fs::create_directories(cache_);
  EXPECT_EQ(model_hash(model_), first_digits("weights"));
}

TEST_F(ModelHash, NameThatIsNotUtf8IsHashedWithoutACache) {
  const fs::path odd = folder_ / "m\xff.ckpt";
  test::write_text(odd, "odd");
  EXPECT_EQ(model_hash(odd), first_digits("odd"));
  EXPECT_FALSE(fs::exists(cache_));
}

TEST_F(ModelHash, MissingFileAndFolderAreErrors) {
  EXPECT_THROW(model_hash(folder_ / "absent.ckpt"), IoError);
  EXPECT_THROW(model_hash(folder_.path()), IoError);
}

TEST_F(ModelHash, AFileThatChangesMeanwhileHasNoneAndNoneIsRemembered) {
  constexpr std::uintmax_t kBytes = 32u << 20;  // takes longer than many changes
  fs::resize_file(model_, kBytes);
  std::atomic<int> changes = 0;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    const auto begin = fs::last_write_time(model_);
    while (!stop) fs::last_write_time(model_, begin + std::chrono::milliseconds(++changes));
  });
  while (changes == 0) std::this_thread::yield();
  expect_error<IoError>([&] { model_sha256(model_); }, "model.ckpt", "changed while it was read");
  stop = true;
  writer.join();
  EXPECT_FALSE(fs::exists(cache_));
}

}  // namespace
}  // namespace sd
