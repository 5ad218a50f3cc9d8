#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "sd/core/error.h"
#include "sd/weights/summary.h"
#include "support/expect_error.h"
#include "support/gguf_writer.h"
#include "support/temp_folder.h"
#include "weights/byte_reader.h"
#include "weights/gguf_source.h"
#include "weights/open_file.h"

namespace sd {
namespace {

using test::as_bytes;
using test::ByteWriter;
using test::expect_error;
using test::GgufTensor;
using test::GgufWriter;

constexpr const char* kSixteen = "abcdefghijklmnop";

std::unique_ptr<GgufSource> open(const std::string& bytes) {
  return open_gguf({as_bytes(bytes), nullptr}, "m.gguf");
}

void expect_refused(const std::string& bytes, std::string_view part) {
  expect_error<CheckpointError>([&] { open(bytes); }, "m.gguf: ", part);
}

std::string one(const GgufTensor& tensor) { return GgufWriter().tensor(tensor).done(); }

std::filesystem::path fixture(const char* name) {
  return std::filesystem::path(SD_TEST_DATA) / "formats" / name;
}

TEST(Gguf, ValuesAreThoseOfTheGgufPackage) {
  const auto expected = open_weight_file(fixture("types.safetensors"));
  const auto found = open_weight_file(fixture("types.gguf"));
  EXPECT_EQ(found.format, "gguf");
  ASSERT_EQ(found.tensors->names().size(), expected.tensors->names().size());
  for (const auto& name : expected.tensors->names()) {
    const auto view = found.tensors->at(name);
    const auto wanted = expected.tensors->at(name);
    EXPECT_EQ(view.shape, wanted.shape) << name;
    if (view.dtype != DType::kF32) continue;
    ASSERT_EQ(view.bytes.size(), wanted.bytes.size()) << name;
    // Number times scale is exact in float32, and the offset is one addition: equal to the bit.
    for (std::size_t i = 0; i < view.bytes.size(); i += sizeof(float)) {
      float a = 0, b = 0;
      std::memcpy(&a, &view.bytes[i], sizeof a);
      std::memcpy(&b, &wanted.bytes[i], sizeof b);
      EXPECT_EQ(a, b) << name << " at " << i / sizeof a;
    }
  }
}

TEST(Gguf, PlainTensorsAreTheFilesBytes) {
  const auto file = open_weight_file(fixture("types.gguf"));
  EXPECT_EQ(file.tensors->at("f16").dtype, DType::kF16);
  EXPECT_EQ(file.tensors->at("bf16").dtype, DType::kBF16);
  EXPECT_NE(file.tensors->at("f32").mapping, nullptr);
  EXPECT_EQ(file.tensors->at("q8_0").mapping, nullptr);
}

TEST(Gguf, DequantisedValuesLiveAsLongAsTheirView) {
  const auto source = open_weight_file(fixture("types.gguf")).tensors;
  auto view = source->at("q4_0");
  const std::weak_ptr<const void> values = view.owner;
  EXPECT_FALSE(values.expired());
  view = {};
  EXPECT_TRUE(values.expired());  // nothing is kept, so loading needs room for one tensor
}

TEST(Gguf, TellsHowTensorsAreStored) {
  const auto summary = describe_model(fixture("types.gguf"));
  EXPECT_EQ(summary.format, "gguf");
  EXPECT_EQ(summary.dtypes.at("Q4_1"), 1);
  EXPECT_EQ(summary.dtypes.at("Q8_0"), 2);
  EXPECT_EQ(summary.dtypes.at("F32"), 2);
  EXPECT_EQ(summary.metadata.front(),
            (std::pair<std::string, std::string>("general.architecture", "sd1")));
  const auto source = open_weight_file(fixture("types.gguf")).tensors;
  EXPECT_EQ(source->stored("q5_1").bytes, 3u * 2 * 24);
}

TEST(Gguf, SettingsOfEveryTypeAreRead) {
  GgufWriter writer;
  writer.setting("u8", 0, ByteWriter().u8(200).bytes());
  writer.setting("i8", 1, ByteWriter().u8(200).bytes());
  writer.setting("u16", 2, ByteWriter().u16(60000).bytes());
  writer.setting("i16", 3, ByteWriter().u16(60000).bytes());
  writer.setting("u32", 4, ByteWriter().u32(4000000000).bytes());
  writer.setting("i32", 5, ByteWriter().u32(4000000000).bytes());
  writer.setting("f32", 6, ByteWriter().u32(0x3fc00000).bytes());
  writer.setting("bool", 7, ByteWriter().u8(1).bytes());
  writer.text("text", "x");
  writer.setting("list", 9, ByteWriter().u32(2).u64(3).u16(1).u16(2).u16(3).bytes());
  writer.setting("u64", 10, ByteWriter().u64(~uint64_t{0}).bytes());
  writer.setting("i64", 11, ByteWriter().u64(~uint64_t{0}).bytes());
  writer.setting("f64", 12, ByteWriter().u64(0x3ff8000000000000).bytes());
  const auto bytes = writer.done();
  std::string found;
  const auto source = open(bytes);
  for (const auto& [key, value] : source->metadata()) found += key + "=" + value + " ";
  EXPECT_EQ(found,
            "u8=200 i8=-56 u16=60000 i16=-5536 u32=4000000000 i32=-294967296 f32=1.5 bool=true "
            "text=x list=3 values u64=18446744073709551615 i64=-1 f64=1.5 ");
}

TEST(Gguf, OfLongTextsTheBeginIsKept) {
  const auto bytes = GgufWriter().text("template", std::string(1'000'000, 'x')).done();
  EXPECT_EQ(open(bytes)->metadata().front().second.size(), 4096u);
}

TEST(Gguf, AlignmentMovesTheData) {
  GgufWriter writer;
  writer.u32("general.alignment", 256)
      .tensor({"a", {4}, 0, kSixteen})
      .tensor({"b", {4}, 0, "ABCDEFGHIJKLMNOP"});
  const auto bytes = writer.done(256);
  EXPECT_EQ(as_text(open(bytes)->at("b").bytes), "ABCDEFGHIJKLMNOP");
  for (const uint64_t alignment : {0u, 4u, 33u, 1u << 21}) {
    expect_refused(GgufWriter().u32("general.alignment", alignment).done(), "general.alignment");
  }
}

TEST(Gguf, TypesThatAreNotReadAreAnErrorOnlyWhenWanted) {
  const auto bytes = one({"w", {256}, 12, std::string(144, 'x')});
  const auto source = open(bytes);
  EXPECT_EQ(source->stored("w").type, "Q4_K");
  expect_error<CheckpointError>([&] { source->at("w"); }, "stored as Q4_K", "F16");
  expect_refused(one({"w", {4}, 99, kSixteen}), "'w' is of the unknown type 99");
}

TEST(Gguf, OtherVersionsAreRefused) {
  for (const uint32_t version : {0u, 1u, 4u}) {
    GgufWriter writer;
    writer.version = version;
    expect_refused(writer.done(), "expected 2 or 3");
  }
  GgufWriter writer;
  writer.version = 0x03000000;
  expect_refused(writer.done(), "big-endian");
  writer.version = 2;
  const auto bytes = writer.tensor({"a", {4}, 0, kSixteen}).done();
  EXPECT_EQ(open(bytes)->names().size(), 1u);
}

TEST(Gguf, ShapesAndOffsetsThatLieAreRefused) {
  expect_refused(one({"w", {5}, 0, kSixteen}), "reaches outside");
  expect_refused(one({"w", {uint64_t{1} << 63}, 0, kSixteen}), "dimension of 9223372036854775808");
  expect_refused(one({"w", {uint64_t{1} << 62, 4}, 0, kSixteen}), "impossible shape");
  expect_refused(one({"w", {uint64_t{1} << 62}, 0, kSixteen}), "reaches outside");
  expect_refused(one({"w", {1, 1, 1, 1, 1}, 0, kSixteen}), "5 dimensions");
  expect_refused(one({"w", {33}, 2, kSixteen}), "no multiple of 32");
  expect_refused(one({"w", {}, 2, kSixteen}), "no multiple of 32");
  expect_refused(one({"w", {4}, 0, kSixteen, 1}), "multiple of 32");
  expect_refused(one({"w", {4}, 0, kSixteen, ~uint64_t{31}}), "begins at byte");
  expect_refused(one({"w", {4}, 0, kSixteen, uint64_t{1} << 40}), "truncated GGUF file");
  expect_refused(one({"", {4}, 0, kSixteen}), "without a name");
  expect_refused(one({std::string(2000, 'n'), {4}, 0, kSixteen}), "name of 2000 bytes");
}

TEST(Gguf, TensorsThatOverlapOrShareANameAreRefused) {
  const GgufTensor first{"a", {16}, 0, std::string(64, 'x')};
  expect_refused(GgufWriter().tensor(first).tensor({"b", {4}, 0, kSixteen, 32}).done(),
                 "inside another tensor");
  expect_refused(GgufWriter().tensor(first).tensor(first).done(), "two tensors are named 'a'");
}

TEST(Gguf, CountsThatLieAreRefused) {
  GgufWriter writer;
  writer.claimed_tensors = 200'001;
  expect_refused(writer.done(), "200001 tensors; at most 200000");
  writer.claimed_tensors = 1;
  expect_refused(writer.done(), "a tensor without a name");  // the zeros behind the header
  writer.claimed_settings = uint64_t{1} << 63;
  expect_refused(writer.done(), "settings; at most");
  writer.claimed_settings = 1000;
  expect_refused(writer.done(), "cut short");
}

TEST(Gguf, ListsThatLieAreRefused) {
  const auto list = [](uint64_t type, uint64_t count) {
    return GgufWriter().setting("l", 9, ByteWriter().u32(type).u64(count).bytes()).done();
  };
  expect_refused(list(4, ~uint64_t{0}), "a list of 18446744073709551615 values");
  expect_refused(list(4, uint64_t{1} << 40), "cut short");
  expect_refused(list(8, uint64_t{1} << 62), "cut short");
  expect_refused(list(9, 1), "list of lists");
  expect_refused(list(13, 1), "type 13");
  expect_refused(GgufWriter().setting("x", 77, "").done(), "type 77");
}

TEST(Gguf, ShapesBesideTensorsMustHoldTheSameElements) {
  const auto with = [](uint64_t a, uint64_t b) {
    return GgufWriter()
        .setting("comfy.gguf.orig_shape.w", 9, ByteWriter().u32(5).u64(2).u32(a).u32(b).bytes())
        .tensor({"w", {4}, 0, kSixteen})
        .done();
  };
  const auto bytes = with(2, 2);
  EXPECT_EQ(open(bytes)->at("w").shape, (std::vector<int64_t>{2, 2}));
  expect_refused(with(2, 3), "comfy.gguf.orig_shape.w says [2, 3]");
  expect_refused(with(0xfffffffe, 0xfffffffe), "says [-2, -2]");
}

}  // namespace
}  // namespace sd
