#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "support/expect_error.h"
#include "support/legacy_writer.h"
#include "support/temp_folder.h"
#include "weights/byte_reader.h"
#include "weights/legacy_ckpt_source.h"
#include "weights/open_file.h"

namespace sd {
namespace {

using test::as_bytes;
using test::Checkpoint;
using test::expect_error;
using test::legacy_keys;
using test::legacy_preamble;
using test::write_legacy_checkpoint;
using test::write_pickle;

constexpr const char* kSixteen = "abcdefghijklmnop";

std::unique_ptr<TensorSource> open(const std::string& bytes) {
  return open_legacy_ckpt({as_bytes(bytes), nullptr}, "old.ckpt");
}

void expect_refused(const std::string& bytes, std::string_view part) {
  expect_error<CheckpointError>([&] { open(bytes); }, "old.ckpt: ", part);
}

Checkpoint one(test::PickledTensor tensor) {
  Checkpoint checkpoint;
  checkpoint.tensors = {{"w", std::move(tensor)}};
  checkpoint.storages = {{"7", kSixteen}};
  return checkpoint;
}

/// The values of a view in C order, element by element.
std::string gathered(const TensorView& view) {
  const std::size_t size = size_of(view.dtype);
  if (view.strides.empty()) return std::string(as_text(view.bytes));
  std::string values;
  std::vector<int64_t> at(view.shape.size(), 0);
  for (int64_t left = *checked_elements(view.shape); left > 0; --left) {
    int64_t offset = 0;
    for (std::size_t i = 0; i < at.size(); ++i) offset += at[i] * view.strides[i];
    values += as_text(view.bytes.subspan(static_cast<std::size_t>(offset) * size, size));
    for (std::size_t i = at.size(); i-- > 0;) {
      if (++at[i] < view.shape[i]) break;
      at[i] = 0;
    }
  }
  return values;
}

TEST(LegacyCkpt, HoldsWhatTorchSaved) {
  const auto folder = std::filesystem::path(SD_TEST_DATA) / "formats";
  const auto expected = open_weight_file(folder / "legacy.safetensors");
  const auto found = open_weight_file(folder / "legacy.ckpt");
  EXPECT_EQ(found.format, "legacy ckpt");
  EXPECT_EQ(found.tensors->names(), (std::vector<std::string>{"whole", "transposed", "part", "half",
                                                              "parameter", "number", "none"}));
  for (const auto& name : found.tensors->names()) {
    const auto view = found.tensors->at(name);
    const auto wanted = expected.tensors->at(name);
    EXPECT_EQ(view.dtype, wanted.dtype) << name;
    EXPECT_EQ(view.shape, wanted.shape) << name;
    EXPECT_EQ(gathered(view), as_text(wanted.bytes)) << name;
  }
}

TEST(LegacyCkpt, TensorsAreMappedNotCopied) {
  const auto file = MappedFile::open(std::filesystem::path(SD_TEST_DATA) / "formats/legacy.ckpt");
  const auto source = open_legacy_ckpt({file->bytes(), file, file.get()}, "old.ckpt");
  const auto view = source->at("whole");
  EXPECT_EQ(view.mapping, file.get());
  EXPECT_GE(view.bytes.data(), file->bytes().data());
  EXPECT_LE(view.bytes.data() + view.bytes.size(), file->bytes().data() + file->size());
}

TEST(LegacyCkpt, ViewsOfPartsOfAStorageCountFromTheirBegin) {
  auto tensor = test::PickledTensor{"FloatStorage", "7", 4, 1, {1}, {1}};
  tensor.view = {1, 3};  // elements 1 to 3, of which the tensor has the second
  const auto bytes = write_legacy_checkpoint(one(tensor));
  EXPECT_EQ(as_text(open(bytes)->at("w").bytes), "ijkl");
}

TEST(LegacyCkpt, ViewsOutsideTheirStorageAreRefused) {
  for (const auto& view : std::vector<std::pair<int64_t, int64_t>>{
           {2, 3}, {-1, 3}, {5, 0}, {0, -1}, {std::numeric_limits<int64_t>::max(), 2}}) {
    auto tensor = test::PickledTensor{"FloatStorage", "7", 4, 0, {1}, {1}};
    tensor.view = view;
    EXPECT_THROW(open(write_legacy_checkpoint(one(tensor))), CheckpointError) << view.first;
  }
}

TEST(LegacyCkpt, TensorsOutsideTheirStorageAreRefused) {
  expect_refused(write_legacy_checkpoint(one({"FloatStorage", "7", 4, 1, {4}, {1}})),
                 "reaches outside its storage");
  expect_refused(write_legacy_checkpoint(one({"FloatStorage", "7", 5, 0, {4}, {1}})),
                 "expected 5 elements of F32, found 16 bytes");
  expect_refused(write_legacy_checkpoint(one({"FloatStorage", "7", 4, 0, {2, 2}, {2, -1}})),
                 "impossible strides");
  expect_refused(write_legacy_checkpoint(one({"FloatStorage", "7", int64_t{1} << 62, 0, {1}, {1}})),
                 "expected 4611686018427387904 elements");
}

TEST(LegacyCkpt, ListsOfStoragesThatLieAreRefused) {
  const auto checkpoint = one({"FloatStorage", "7", 4, 0, {4}, {1}});
  const auto start = legacy_preamble() + write_pickle(checkpoint);
  const auto storage = test::ByteWriter().u64(4).text(kSixteen).bytes();
  EXPECT_NO_THROW(open(start + legacy_keys({"7"}) + storage));
  expect_refused(start + legacy_keys({}), "'w' lies in storage '7', which the file does not hold");
  expect_refused(start + legacy_keys({"8"}) + storage, "storage '8' is of an unknown type");
  expect_refused(start + legacy_keys({"7", "7"}) + storage + storage, "listed twice");
  expect_refused(start + test::PickleWriter().op("N").done(), "no list of storages");
  expect_refused(start + legacy_keys({"7"}) + test::ByteWriter().u64(~uint64_t{0}).bytes(),
                 "impossible size");
  expect_refused(start + legacy_keys({"7"}) + test::ByteWriter().u64(uint64_t{1} << 61).bytes(),
                 "cut short");
}

TEST(LegacyCkpt, AStorageOfTwoTypesIsRefused) {
  auto checkpoint = one({"FloatStorage", "7", 4, 0, {4}, {1}});
  checkpoint.tensors.push_back({"h", {"HalfStorage", "7", 8, 0, {8}, {1}}});
  expect_refused(write_legacy_checkpoint(checkpoint), "of two types");
}

TEST(LegacyCkpt, TypesThatAreNotReadAreAnErrorOnlyWhenWanted) {
  auto checkpoint = one({"FloatStorage", "7", 4, 0, {4}, {1}});
  checkpoint.tensors.push_back({"c", {"ComplexFloatStorage", "9", 1, 0, {1}, {1}}});
  checkpoint.storages.emplace_back("9", "01234567");
  const auto bytes = write_legacy_checkpoint(checkpoint);
  const auto source = open(bytes);
  EXPECT_EQ(as_text(source->at("w").bytes), kSixteen);
  expect_error<CheckpointError>([&] { source->at("c"); }, "torch.ComplexFloatStorage");
}

TEST(LegacyCkpt, OtherProtocolsAndMachinesAreRefused) {
  const auto rest = write_pickle(one({"FloatStorage", "7", 4, 0, {4}, {1}})) + legacy_keys({"7"}) +
                    test::ByteWriter().u64(4).text(kSixteen).bytes();
  expect_refused(legacy_preamble(1002) + rest, "unknown protocol");
  expect_refused(legacy_preamble(1001, false) + rest, "big-endian");
}

TEST(LegacyCkpt, WhatWouldRunCodeIsRefusedByName) {
  const auto evil =
      test::PickleWriter().global("os", "system").op("(").text("true").op("tR").done();
  expect_refused(legacy_preamble() + evil, "'os.system'");
}

}  // namespace
}  // namespace sd
