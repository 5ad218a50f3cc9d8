#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_folder.h"
#include "weights/byte_reader.h"
#include "weights/safetensors_source.h"

namespace sd {
namespace {

using test::as_bytes;
using test::expect_error;
using test::write_safetensors;

std::unique_ptr<SafetensorsSource> open(const std::string& bytes) {
  return open_safetensors({as_bytes(bytes), nullptr}, "m.safetensors");
}

void expect_refused(std::string_view header, std::string_view tensors, std::string_view part) {
  const auto bytes = write_safetensors(header, tensors);
  expect_error<CheckpointError>([&] { open(bytes); }, "m.safetensors", part);
}

TEST(Safetensors, GivesTensorsAndMetadata) {
  const auto bytes = write_safetensors(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},)"
      R"("a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]},"none":{"dtype":"F32","shape":[0,3],"data_offsets":[8,8]}}  )",
      "abcdefgh");
  const auto source = open(bytes);
  EXPECT_EQ(source->names(), (std::vector<std::string>{"b", "a", "none"}));
  EXPECT_EQ(as_text(source->at("b").bytes), "efgh");
  EXPECT_EQ(source->at("b").dtype, DType::kF16);
  EXPECT_EQ(source->at("a").shape, (std::vector<int64_t>{2, 2}));
  EXPECT_TRUE(source->at("none").bytes.empty());
  EXPECT_EQ(source->metadata().front().second, "pt");
  expect_error<CheckpointError>([&] { source->at("c"); }, "no tensor is named 'c'");
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const auto bytes =
      write_safetensors(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", "abcdefgh");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(open(bytes.substr(0, size)), CheckpointError) << size;
  }
}

TEST(Safetensors, ATruncatedFileIsCalledThat) {
  const auto bytes =
      write_safetensors(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", "abcdefgh");
  expect_error<CheckpointError>([&] { open(bytes.substr(0, bytes.size() - 1)); },
                                "truncated safetensors file", "'a'");
  expect_error<CheckpointError>([&] { open(bytes.substr(0, 20)); }, "truncated safetensors file",
                                "header");
}

TEST(Safetensors, OffsetsThatLieAreRefused) {
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", "abcd",
                 "before its begin");
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,5]}})", "abcd",
                 "ends at byte 5");
  expect_refused(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,4]}})", "abcd",
                 "do not make shape [3]");
  expect_refused(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})", "abcd",
                 "after a hole");
  expect_refused(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "abcd",
                 "1 bytes follow");
  expect_refused(
      R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
      "abcd", "inside another tensor");
}

TEST(Safetensors, ShapesBeyond63BitsAreRefused) {
  expect_refused(R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4]}})",
                 "abcd", "impossible shape");
  expect_refused(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "",
                 "do not make");
  expect_refused(R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", "",
                 "do not make");
  expect_refused(R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,4]}})",
                 "abcd", "64-bit");
  expect_refused(R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", "abcd", "negative");
  expect_refused(
      R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
      "a", "impossible shape");
}

TEST(Safetensors, HeadersOfAnotherFormAreRefused) {
  expect_refused("[]", "", "a list where the format has none");
  expect_refused("{", "", "no valid JSON");
  expect_refused("{}{}", "", "no valid JSON");
  expect_refused(R"({"a":1})", "", "a number");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1]}})", "a", "lacks dtype, shape or data_offsets");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", "a", "not two numbers");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", "a", "a number");
  expect_refused(R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", "a", "a list");
  expect_refused(R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "a",
                 "a text");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{}}})", "a",
                 "an object");
  expect_refused(R"({"__metadata__":{"a":1}})", "", "a number");
  expect_refused(R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a", "without a name");
  expect_refused("{\"\xff\":{}}", "", "no valid JSON");
}

TEST(Safetensors, TwoTensorsOfOneNameAreRefused) {
  expect_refused(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      "ab", "two tensors are named 'a'");
}

TEST(Safetensors, ADtypeThatIsNotReadIsAnErrorOnlyWhenWanted) {
  const auto bytes =
      write_safetensors(R"({"a":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]}})", "abcd");
  const auto source = open(bytes);
  expect_error<CheckpointError>([&] { source->at("a"); }, "'a'", "F8_E8M0");
}

TEST(Safetensors, HeaderLengthsThatLieAreRefused) {
  for (const uint64_t length :
       {uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{7}}) {
    const auto bytes = test::ByteWriter().u64(length).text("{}").bytes();
    expect_error<CheckpointError>([&] { open(bytes); }, "at most 67108864");
  }
}

TEST(Safetensors, ADeepHeaderNeedsNoStackOfOurs) {
  expect_refused(R"({"a":)" + std::string(1'000'000, '['), "", "a list");
  expect_refused(std::string(1'000'000, '['), "", "a list");
}

TEST(Safetensors, MoreTensorsThanTheLimitAreRefused) {
  std::string header = "{";
  for (int i = 0; i <= 200'000; ++i)
    header += fmt::format(R"("{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},)", i);
  header.back() = '}';
  expect_refused(header, "", "more than 200000 tensors");
}

}  // namespace
}  // namespace sd
