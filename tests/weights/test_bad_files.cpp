// What holds for every format: a file that was cut anywhere is refused, and headers that lie cost
// neither time nor memory.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "sd/weights/summary.h"
#include "support/expect_error.h"
#include "support/model_copies.h"
#include "support/sharded_model.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

constexpr std::size_t kCuts = 200;  // of each format

const TensorSource& tiny() {
  static const auto model = open_model(fs::path(SD_TEST_DATA) / "tiny-v1.ckpt");
  return *model.tensors;
}

/// Writes the tiny model into a folder; returns what to open.
using Writer = std::function<fs::path(const fs::path& folder)>;

struct Format {
  const char* name;
  Writer write;
};

fs::path write(const fs::path& path, const std::string& bytes) {
  test::write_text(path, bytes);
  return path;
}

const std::vector<Format>& formats() {
  static const std::vector<Format> kFormats = {
      {"ckpt",
       [](const fs::path& folder) {
         return write(folder / "a.ckpt", test::write_checkpoint(test::copy_as_checkpoint(tiny())));
       }},
      {"legacy ckpt",
       [](const fs::path& folder) {
         return write(folder / "a.pt",
                      test::write_legacy_checkpoint(test::copy_as_checkpoint(tiny())));
       }},
      {"safetensors",
       [](const fs::path& folder) {
         return write(folder / "a.safetensors", test::copy_as_safetensors(tiny()));
       }},
      {"gguf",
       [](const fs::path& folder) {
         return write(folder / "a.gguf", test::copy_as_gguf(tiny(), 2));
       }},
      {"sharded safetensors",
       [](const fs::path& folder) {
         test::write_shards(tiny(), folder, test::ShardFormat::kSafetensors);
         return folder;
       }},
      {"diffusers",
       [](const fs::path& folder) {
         fs::copy(fs::path(SD_TEST_DATA) / "tiny-v1-diffusers", folder / "d",
                  fs::copy_options::recursive);
         return folder / "d";
       }},
  };
  return kFormats;
}

std::vector<fs::path> files_below(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Places to cut a file of `size` bytes: `count` at random, and its first few bytes.
std::vector<uintmax_t> cuts(uintmax_t size, std::size_t count, std::mt19937_64& random) {
  constexpr uintmax_t kFirst = 10;
  std::vector<uintmax_t> places;
  for (uintmax_t i = 0; i < std::min(kFirst, size); ++i) places.push_back(i);
  for (std::size_t i = 0; i < count; ++i) places.push_back(random() % size);
  // From the end, so that one file can be cut shorter and shorter.
  std::sort(places.begin(), places.end(), std::greater<>());
  return places;
}

TEST(BadFiles, EveryFormatIsReadWhole) {
  for (const auto& format : formats()) {
    const test::TempFolder folder;
    const auto path = format.write(folder.path());
    const auto model = open_model(path);
    EXPECT_EQ(model.format, format.name);
    const auto summary = describe_model(path);
    EXPECT_EQ(summary.format, format.name);
    EXPECT_EQ(summary.problem, "");
    EXPECT_NO_THROW(detect_config(*model.tensors, model.config.value_or(ModelConfig{})));
  }
}

TEST(BadFiles, AFileCutAnywhereIsRefused) {
  std::mt19937_64 random(6);
  for (const auto& format : formats()) {
    const test::TempFolder folder;
    const auto path = format.write(folder.path());
    const auto whole = folder / "whole";
    const auto files = files_below(path);
    for (const auto& file : files) {
      fs::copy_file(file, whole, fs::copy_options::overwrite_existing);
      auto places = cuts(fs::file_size(file), kCuts / files.size(), random);
      // What ends with a newline loses nothing with it.
      if (file.extension() == ".json")
        std::erase_if(places, [&](uintmax_t cut) { return cut + 1 >= fs::file_size(file); });
      for (const auto cut : places) {
        fs::resize_file(file, cut);
        EXPECT_THROW(open_model(path), CheckpointError)
            << format.name << ": " << file << " cut at " << cut;
      }
      fs::copy_file(whole, file, fs::copy_options::overwrite_existing);
    }
  }
}

TEST(BadFiles, LinksToNowhereAndFoldersInPlaceOfFilesAreErrors) {
  for (const auto& format : formats()) {
    const test::TempFolder folder;
    const auto path = format.write(folder.path());
    for (const auto& file : files_below(path)) {
      if (file.extension() == ".json") continue;
      fs::remove(file);
      fs::create_symlink(folder / "nowhere", file);
      expect_error<IoError>([&] { open_model(path); }, file.filename().string());
      fs::remove(file);
      fs::create_directory(file);
      // A folder may be a model, so one that is named itself is refused as a checkpoint.
      expect_error<Error>([&] { open_model(path); }, file.filename().string());
      fs::remove(file);
      fs::create_symlink(file, file);
      expect_error<IoError>([&] { open_model(path); }, file.filename().string());
      break;  // the first weights of each format
    }
  }
}

/// Peak memory of this process in bytes.
int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

/// What a million names make of each format.
std::vector<std::pair<std::string, std::string>> files_of_a_million_keys() {
  constexpr int kKeys = 1'000'000;
  std::string header = "{", index = R"({"weight_map":{)";
  test::PickleWriter pickle;
  pickle.op("}(");
  test::GgufWriter gguf;
  for (int i = 0; i < kKeys; ++i) {
    const auto name = std::to_string(i);
    header += fmt::format(R"("{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},)", i);
    if (i < kKeys / 2) index += fmt::format(R"("{}":"a.safetensors",)", i);
    pickle.text(name).tensor({"FloatStorage", "0", 0, 0, {0}, {1}});
    gguf.tensor({name, {0}, 0, ""});
  }
  header.back() = index.back() = '}';
  pickle.op("u");
  const auto top = pickle.done();
  return {{"a.safetensors", test::write_safetensors(header, "")},
          {"a.ckpt", test::write_checkpoint({}, top)},
          {"a.pt", test::legacy_preamble() + top + test::legacy_keys({})},
          {"a.gguf", gguf.done()},
          {"b.safetensors.index.json", index + "}"}};
}

TEST(BadFiles, AMillionKeysNeedNoMillionTimesTheMemory) {
  const test::TempFolder folder;
  for (const auto& [name, bytes] : files_of_a_million_keys())
    test::write_text(folder / name, bytes);
  const auto before = peak_memory();
  for (const auto& name :
       {"a.safetensors", "a.ckpt", "a.pt", "a.gguf", "b.safetensors.index.json"}) {
    EXPECT_THROW(open_model(folder / name), CheckpointError) << name;
  }
  // The limits of the readers: 2,000,000 values of a pickle with their texts and shapes.
  EXPECT_LT(peak_memory() - before, int64_t{1} << 30);
}

}  // namespace
}  // namespace sd
