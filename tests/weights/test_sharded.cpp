#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "sd/weights/summary.h"
#include "sd/weights/write_safetensors.h"
#include "support/expect_error.h"
#include "support/model_copies.h"
#include "support/sharded_model.h"
#include "support/temp_folder.h"
#include "weights/open_file.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::ShardFormat;
using test::write_shards;

fs::path tiny() { return fs::path(SD_TEST_DATA) / "tiny-v1.ckpt"; }

/// The same names, shapes and bytes.
void expect_same_tensors(const TensorSource& found, const TensorSource& expected) {
  ASSERT_EQ(found.names().size(), expected.names().size());
  for (const auto& name : expected.names()) {
    const auto view = found.at(name);
    const auto wanted = expected.at(name);
    EXPECT_EQ(view.shape, wanted.shape) << name;
    EXPECT_EQ(as_text(view.bytes), as_text(wanted.bytes)) << name;
  }
}

TEST(Sharded, IndexFolderAndAnyShardAreTheWholeModel) {
  const test::TempFolder folder;
  const auto model = open_model(tiny());
  const auto files = write_shards(*model.tensors, folder.path(), ShardFormat::kSafetensors);
  for (const auto& path :
       {folder.path(), folder / "model.safetensors.index.json", files[0], files[2]}) {
    const auto found = open_model(path);
    EXPECT_EQ(found.format, "sharded safetensors");
    EXPECT_EQ(found.main_file, files[0]);
    EXPECT_EQ(found.tensors->label(), path == folder.path()
                                          ? (folder / "model.safetensors.index.json").string()
                                          : path.string());
    expect_same_tensors(*found.tensors, *model.tensors);
  }
}

TEST(Sharded, ShardsOfPicklesAreReadToo) {
  for (const auto format : {ShardFormat::kZipPickle, ShardFormat::kLegacyPickle}) {
    const test::TempFolder folder;
    const auto model = open_model(tiny());
    write_shards(*model.tensors, folder.path(), format);
    const auto found = open_model(folder.path());
    EXPECT_EQ(found.format,
              format == ShardFormat::kZipPickle ? "sharded ckpt" : "sharded legacy ckpt");
    expect_same_tensors(*found.tensors, *model.tensors);
  }
}

TEST(Sharded, NamesOfFilesAreEnoughWithoutAnIndex) {
  const test::TempFolder folder;
  const auto model = open_model(tiny());
  const auto files = write_shards(*model.tensors, folder.path(), ShardFormat::kSafetensors);
  fs::remove(folder / "model.safetensors.index.json");
  expect_same_tensors(*open_model(files[1]).tensors, *model.tensors);
  fs::remove(files[2]);
  expect_error<CheckpointError>([&] { open_model(files[0]); }, files[0].string(), "one of 3 shards",
                                "model-00003-of-00003.safetensors is not there");
}

TEST(Sharded, TheirSettingsLieBesideThemAsThoseOfOneFile) {
  EXPECT_EQ(sidecar_path("a/x.ckpt"), "a/x.yaml");
  EXPECT_EQ(sidecar_path("a/x.safetensors.index.json"), "a/x.yaml");
  EXPECT_EQ(sidecar_path("a/x-00002-of-00003.safetensors"), "a/x.yaml");
  EXPECT_EQ(sidecar_path("a/x-00004-of-00003.safetensors"), "a/x-00004-of-00003.yaml");
  EXPECT_EQ(sidecar_path("a/x-0001-of-0003.safetensors"), "a/x-0001-of-0003.yaml");
}

TEST(Sharded, AnIndexThatLiesIsRefused) {
  const test::TempFolder folder;
  const auto model = open_model(tiny());
  write_shards(*model.tensors, folder.path(), ShardFormat::kSafetensors);
  const auto index = folder / "model.safetensors.index.json";
  const auto whole = nlohmann::json::parse(test::read_text(index));
  const auto refused = [&](const nlohmann::json& json, std::string_view part) {
    test::write_text(index, json.dump());
    expect_error<CheckpointError>([&] { open_model(index); }, index.string(), part);
  };
  auto json = whole;
  json["weight_map"]["absent"] = "model-00001-of-00003.safetensors";
  refused(json, "'absent' is said to lie in");
  json = whole;
  json["weight_map"]["logvar"] = "../other.safetensors";
  refused(json, "expected a file of the same folder");
  refused({{"weight_map", {1, 2}}}, "no 'weight_map'");
  refused({{"weight_map", nlohmann::json::object()}}, "no 'weight_map'");
  refused(nlohmann::json::array(), "not a JSON object");
  json = nlohmann::json::object();
  for (int i = 0; i < 1001; ++i) json["weight_map"][std::to_string(i)] = std::to_string(i);
  refused(json, "more than 1000 shards");
}

TEST(Sharded, AShardThatIsNotThereIsNamed) {
  const test::TempFolder folder;
  const auto model = open_model(tiny());
  const auto files = write_shards(*model.tensors, folder.path(), ShardFormat::kSafetensors);
  fs::remove(files[1]);
  expect_error<IoError>([&] { open_model(folder.path()); }, files[1].string());
  fs::create_symlink(folder / "nowhere", files[1]);
  expect_error<IoError>([&] { open_model(folder.path()); }, files[1].string());
  fs::remove(files[1]);
  fs::create_directory(files[1]);
  expect_error<IoError>([&] { open_model(folder.path()); }, files[1].string());
}

TEST(Sharded, TwoShardsThatDifferInATensorAreRefused) {
  const test::TempFolder folder;
  const auto model = open_model(tiny());
  const auto files = write_shards(*model.tensors, folder.path(), ShardFormat::kSafetensors);
  fs::remove(folder / "model.safetensors.index.json");
  fs::remove(files[1]);
  const auto first = open_weight_file(files[0]).tensors;
  const auto& name = first->names().front();
  NamedTensor other{name, first->at(name)};
  const std::vector<std::byte> bytes(other.view.bytes.size(), std::byte{1});
  other.view.bytes = bytes;
  write_safetensors(files[1], std::vector{other});
  expect_error<CheckpointError>([&] { open_weights(files[0]).tensors->at(name); },
                                "'" + name + "' and '" + name + "'", "differ");
}

TEST(Sharded, AnIndexNestedDeeperThanAnyIsRefused) {
  const test::TempFolder folder;
  test::write_text(folder / "model.safetensors.index.json",
                   "{\"weight_map\":" + std::string(1000, '[') + std::string(1000, ']') + "}");
  expect_error<CheckpointError>([&] { open_model(folder.path()); }, "index.json",
                                "nested more than 64 deep");
}

}  // namespace
}  // namespace sd
