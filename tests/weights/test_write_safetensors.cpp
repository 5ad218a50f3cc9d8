#include <gtest/gtest.h>

#include <filesystem>

#include "sd/core/error.h"
#include "sd/weights/write_safetensors.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "weights/open_file.h"

namespace sd {
namespace {

using test::expect_error;

const std::vector<TensorHeader> kHeaders = {{"a", DType::kF32, {2}}, {"b", DType::kU8, {3}}};

TEST(SafetensorsWriter, WritesInPiecesWhatTheReaderReads) {
  const test::TempFolder folder;
  SafetensorsWriter writer(folder / "x.safetensors", kHeaders, {{"format", "pt"}});
  writer.write(test::as_bytes("0123"));
  writer.write(test::as_bytes("4567abc"));
  writer.finish();
  writer.commit();
  const auto file = open_weight_file(folder / "x.safetensors");
  EXPECT_EQ(file.metadata, (SafetensorsMetadata{{"format", "pt"}}));
  const auto bytes = file.tensors->at("b").bytes;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "abc");
  EXPECT_EQ(std::filesystem::file_size(folder / "x.safetensors"),
            safetensors_size(kHeaders, {{"format", "pt"}}));
}

TEST(SafetensorsWriter, LeavesNothingThatIsNotWhole) {
  const test::TempFolder folder;
  {
    SafetensorsWriter writer(folder / "x.safetensors", kHeaders, {});
    writer.write(test::as_bytes("0123"));
    expect_error<UsageError>([&] { writer.finish(); }, "7 bytes");
    expect_error<UsageError>([&] { writer.write(test::as_bytes("45678901")); }, "more bytes");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SafetensorsWriter, RefusesANameGivenTwice) {
  const test::TempFolder folder;
  const std::vector<TensorHeader> twice = {{"a", DType::kU8, {1}}, {"a", DType::kU8, {1}}};
  expect_error<UsageError>([&] { SafetensorsWriter(folder / "x.safetensors", twice, {}); },
                           "'a' is given twice");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace sd
