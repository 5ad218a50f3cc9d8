#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

#include "sd/core/error.h"
#include "support/checkpoint_writer.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "support/zip_writer.h"
#include "weights/byte_reader.h"
#include "weights/ckpt_source.h"

namespace sd {
namespace {

using test::as_bytes;
using test::Checkpoint;
using test::expect_error;
using test::write_checkpoint;
using test::write_pickle;

constexpr const char* kSixteen = "abcdefghijklmnop";

std::unique_ptr<TensorSource> open(const std::string& bytes) {
  return open_ckpt({as_bytes(bytes), nullptr}, "m.ckpt");
}

void expect_refused(const Checkpoint& checkpoint, std::string_view part) {
  const auto bytes = write_checkpoint(checkpoint);
  expect_error<CheckpointError>([&] { open(bytes); }, "m.ckpt", part);
}

Checkpoint one(test::PickledTensor tensor) {
  Checkpoint checkpoint;
  checkpoint.tensors = {{"w", std::move(tensor)}};
  checkpoint.storages = {{"0", kSixteen}};
  return checkpoint;
}

TEST(CkptSource, GivesTheBytesOfATensorWithoutACopy) {
  const auto bytes = write_checkpoint(one({"FloatStorage", "0", 4, 1, {2}, {1}}));
  const auto source = open(bytes);
  EXPECT_EQ(source->names(), std::vector<std::string>{"w"});
  const auto view = source->at("w");
  EXPECT_EQ(view.dtype, DType::kF32);
  EXPECT_EQ(as_text(view.bytes), "efghijkl");
  EXPECT_TRUE(view.strides.empty());
  EXPECT_GE(view.bytes.data(), as_bytes(bytes).data());
  EXPECT_LT(view.bytes.data(), as_bytes(bytes).data() + bytes.size());
  EXPECT_EQ(view.mapping, nullptr);  // memory of ours: nobody may drop its pages
}

TEST(CkptSource, FindsTensorsAtTheTopToo) {
  auto checkpoint = one({"HalfStorage", "0", 8, 0, {8}, {1}});
  checkpoint.at_top = true;
  const auto bytes = write_checkpoint(checkpoint);
  EXPECT_EQ(open(bytes)->at("w").bytes.size(), 16u);
}

TEST(CkptSource, APickleThatUnpacksToMoreThanIsReadIsRefused) {
  test::ZipFile bomb;
  bomb.name = "m/data.pkl";
  bomb.contents.assign((std::size_t{64} << 20) + 1, '\0');
  bomb.deflate = true;
  const auto bytes = test::write_zip({bomb});
  EXPECT_LT(bytes.size(), std::size_t{100'000});
  expect_error<CheckpointError>([&] { open(bytes); }, "m.ckpt", "m/data.pkl", "at most 67108864");
}

TEST(CkptSource, UnpacksDeflatedStorages) {
  auto checkpoint = one({"BFloat16Storage", "0", 8, 2, {3}, {1}});
  checkpoint.deflate = true;
  const auto bytes = write_checkpoint(checkpoint);
  auto source = open(bytes);
  const auto view = source->at("w");
  source.reset();
  EXPECT_EQ(as_text(view.bytes), "efghij");  // the view keeps what it needs
}

TEST(CkptSource, KeepsStridesOfTransposedTensors) {
  const auto bytes = write_checkpoint(one({"FloatStorage", "0", 4, 0, {2, 2}, {1, 2}}));
  const auto view = open(bytes)->at("w");
  EXPECT_EQ(view.strides, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(view.bytes.size(), 16u);
}

TEST(CkptSource, StridesOfDimensionsOfOneDoNotCount) {
  const auto bytes = write_checkpoint(one({"FloatStorage", "0", 4, 0, {4, 1, 1}, {1, 7, 99}}));
  EXPECT_TRUE(open(bytes)->at("w").strides.empty());
}

TEST(CkptSource, TensorsMayShareAStorage) {
  auto checkpoint = one({"FloatStorage", "0", 4, 0, {2}, {1}});
  checkpoint.tensors.emplace_back("v", test::PickledTensor{"FloatStorage", "0", 4, 2, {2}, {1}});
  const auto bytes = write_checkpoint(checkpoint);
  const auto source = open(bytes);
  EXPECT_EQ(as_text(source->at("w").bytes), "abcdefgh");
  EXPECT_EQ(as_text(source->at("v").bytes), "ijklmnop");
}

TEST(CkptSource, TensorsWithoutElementsNeedNoStorage) {
  const auto bytes = write_checkpoint(one({"FloatStorage", "missing", 0, 0, {0, 5}, {5, 1}}));
  EXPECT_TRUE(open(bytes)->at("w").bytes.empty());
}

TEST(CkptSource, ReachingOutsideAStorageIsRefused) {
  expect_refused(one({"FloatStorage", "0", 4, 0, {5}, {1}}), "reaches outside its storage");
  expect_refused(one({"FloatStorage", "0", 4, 3, {2}, {1}}), "reaches outside its storage");
  expect_refused(one({"FloatStorage", "0", 4, 0, {2, 2}, {3, 1}}), "reaches outside its storage");
  expect_refused(one({"FloatStorage", "0", 5, 0, {5}, {1}}), "found 16 bytes");
  expect_refused(one({"FloatStorage", "1", 4, 0, {4}, {1}}),
                 "'archive/data/1', which the archive does not hold");
}

TEST(CkptSource, ImpossibleNumbersAreRefused) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  expect_refused(one({"FloatStorage", "0", 4, 0, {kHuge, kHuge}, {1, 1}}), "impossible size");
  expect_refused(one({"FloatStorage", "0", 4, -1, {1}, {1}}), "impossible size");
  expect_refused(one({"FloatStorage", "0", 4, 0, {-4}, {1}}), "impossible size");
  expect_refused(one({"FloatStorage", "0", kHuge, 0, {1}, {1}}), "found 16 bytes");
  expect_refused(one({"FloatStorage", "0", 4, kHuge, {4}, {1}}), "reaches outside its storage");
  expect_refused(one({"FloatStorage", "0", 4, 0, {4}, {-1}}), "impossible strides");
  expect_refused(one({"FloatStorage", "0", 4, 0, {3, 3}, {kHuge, kHuge}}), "impossible strides");
}

TEST(CkptSource, BigEndianIsRefused) {
  auto checkpoint = one({"FloatStorage", "0", 4, 0, {4}, {1}});
  checkpoint.byteorder = "little";
  const auto bytes = write_checkpoint(checkpoint);
  EXPECT_EQ(open(bytes)->names().size(), 1u);
  checkpoint.byteorder = "big";
  expect_refused(checkpoint, "big-endian");
}

TEST(CkptSource, TwoTensorsOfOneNameAreRefused) {
  auto checkpoint = one({"FloatStorage", "0", 4, 0, {4}, {1}});
  checkpoint.tensors.push_back(checkpoint.tensors.front());
  expect_refused(checkpoint, "two tensors are named 'w'");
}

TEST(CkptSource, UnknownObjectsBesideTheTensorsDoNoHarm) {
  const auto checkpoint = one({"FloatStorage", "0", 4, 0, {4}, {1}});
  const std::string callbacks =
      "X\x09" + std::string(3, '\0') + "callbacksclightning\nCheckpoint\n)R";
  const auto bytes = write_checkpoint(checkpoint, write_pickle(checkpoint, callbacks));
  EXPECT_EQ(open(bytes)->at("w").bytes.size(), 16u);
}

TEST(CkptSource, AnUnknownObjectInPlaceOfATensorIsNamedWhenItIsWanted) {
  // An unknown storage type, and a tensor that some other function makes.
  auto checkpoint = one({"ComplexFloatStorage", "0", 2, 0, {2}, {1}});
  const auto bytes = write_checkpoint(checkpoint);
  const auto source = open(bytes);
  EXPECT_TRUE(source->contains("w"));
  expect_error<CheckpointError>([&] { source->at("w"); }, "'w'", "'torch.ComplexFloatStorage'");
}

TEST(CkptSource, ACommandBesideTheTensorsIsRefused) {
  const auto checkpoint = one({"FloatStorage", "0", 4, 0, {4}, {1}});
  const std::string command = "X\x01" + std::string(3, '\0') + "x" + "cos\nsystem\nX\x02" +
                              std::string(3, '\0') + "ls\x85R";
  const auto bytes = write_checkpoint(checkpoint, write_pickle(checkpoint, command));
  expect_error<CheckpointError>([&] { open(bytes); }, "m.ckpt", "'os.system'", "refusing");
}

TEST(CkptSource, ADamagedDirectoryOfTensorsIsNoticed) {
  const auto checkpoint = one({"FloatStorage", "0", 4, 0, {4}, {1}});
  auto bytes = write_checkpoint(checkpoint);
  bytes[bytes.find("state_dict")] = 'S';
  expect_error<CheckpointError>([&] { open(bytes); }, "checksum");
}

TEST(CkptSource, OtherArchivesAreNamed) {
  test::ZipFile text;
  text.name = "word/document.xml";
  const auto document = test::write_zip({text});
  expect_error<CheckpointError>([&] { open(document); }, "no data.pkl");
  test::ZipFile constants;
  constants.name = "archive/constants.pkl";
  test::ZipFile program;
  program.name = "archive/data.pkl";
  const auto script = test::write_zip({program, constants});
  expect_error<CheckpointError>([&] { open(script); }, "TorchScript");
}

}  // namespace
}  // namespace sd
