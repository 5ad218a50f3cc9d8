// Weights in 8-bit floating point, alone and with the scales that ComfyUI keeps beside them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "support/checkpoint_writer.h"
#include "support/expect_error.h"
#include "support/legacy_writer.h"
#include "support/safetensors_writer.h"
#include "support/temp_folder.h"
#include "weights/float8.h"
#include "weights/float_bits.h"
#include "weights/open_file.h"

namespace sd {
namespace {

using namespace std::string_literals;
using test::expect_error;

float value_of(std::string_view format, int bits) {
  return widen(kBinary16, widen_float8(*float8_named(format), static_cast<uint8_t>(bits)));
}

TEST(Float8, E4M3HasItsBiasAndNoInfinity) {
  EXPECT_EQ(value_of("F8_E4M3", 0x38), 1.0f);
  EXPECT_EQ(value_of("F8_E4M3", 0xb9), -1.125f);
  EXPECT_EQ(value_of("F8_E4M3", 0x7e), 448.0f);
  EXPECT_EQ(value_of("F8_E4M3", 0x01), std::ldexp(1.0f, -9));
  EXPECT_EQ(value_of("F8_E4M3", 0x08), std::ldexp(1.0f, -6));
  EXPECT_TRUE(std::signbit(value_of("F8_E4M3", 0x80)));
  EXPECT_TRUE(std::isnan(value_of("F8_E4M3", 0x7f)));
  EXPECT_TRUE(std::isnan(value_of("F8_E4M3", 0xff)));
}

TEST(Float8, E5M2IsTheUpperByteOfAHalf) {
  for (int bits = 0; bits < 256; ++bits) {
    const auto half = widen(kBinary16, static_cast<uint16_t>(bits << 8));
    const auto value = value_of("F8_E5M2", bits);
    EXPECT_TRUE(std::isnan(half) ? std::isnan(value) : half == value) << bits;
  }
}

TEST(Float8, FormatsWithoutANegativeZeroHaveANanThere) {
  for (const char* format : {"F8_E4M3FNUZ", "F8_E5M2FNUZ"}) {
    EXPECT_EQ(value_of(format, 0x40), 1.0f) << format;
    EXPECT_TRUE(std::isnan(value_of(format, 0x80))) << format;
  }
  EXPECT_EQ(value_of("F8_E4M3FNUZ", 0x7f), 240.0f);
  EXPECT_EQ(value_of("F8_E5M2FNUZ", 0x7f), 57344.0f);
}

/// The numbers of an F16 or F32 tensor of a file.
std::vector<float> numbers(const TensorSource& tensors, const std::string& name) {
  const auto view = tensors.at(name);
  std::vector<float> values;
  for (std::size_t i = 0; i < view.bytes.size(); i += size_of(view.dtype)) {
    uint16_t half = 0;
    float whole = 0;
    if (view.dtype == DType::kF16) {
      std::memcpy(&half, &view.bytes[i], sizeof half);
      whole = widen(kBinary16, half);
    } else {
      std::memcpy(&whole, &view.bytes[i], sizeof whole);
    }
    values.push_back(whole);
  }
  return values;
}

class Float8File : public testing::Test {
 protected:
  std::unique_ptr<TensorSource> open(const std::string& bytes) const {
    test::write_text(folder_ / "weights", bytes);
    return open_weight_file(folder_ / "weights").tensors;
  }
  std::unique_ptr<TensorSource> safetensors(const std::string& header,
                                            const std::string& bytes) const {
    return open(test::write_safetensors(header, bytes));
  }

 private:
  test::TempFolder folder_;
};

TEST_F(Float8File, ASafetensorsIsWidened) {
  const auto tensors = safetensors(
      R"({"a":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]}})", "\x38\xb9\x7e\x00"s);
  EXPECT_EQ(tensors->describe("a").dtype, DType::kF16);
  EXPECT_EQ(tensors->at("a").shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(numbers(*tensors, "a"), (std::vector<float>{1, -1.125, 448, 0}));
  EXPECT_EQ(tensors->stored("a").type, "F8_E4M3");
  EXPECT_EQ(tensors->stored("a").bytes, 4u);
}

TEST_F(Float8File, ASizeThatDoesNotFitItsShapeIsRefused) {
  expect_error<CheckpointError>(
      [&] {
        safetensors(R"({"a":{"dtype":"F8_E5M2","shape":[2,2],"data_offsets":[0,5]}})", "abcde");
      },
      "damaged: 'a' has 5 bytes");
}

/// As torch.save writes a tensor of 8-bit floats: the storage is of bytes, the dtype stands beside.
void add_float8(test::PickleWriter& pickle, const std::string& dtype, int64_t count,
                const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  pickle.global("torch._utils", "_rebuild_tensor_v3").op("((").text("storage");
  pickle.global("torch.storage", "UntypedStorage").text("0").text("cpu").integer(count).op("tQ");
  pickle.integer(0).integers(shape).integers(strides).op("\x89");
  pickle.global("collections", "OrderedDict").op(")R").global("torch", dtype).op("tR");
}

std::string pickle_of(const std::string& dtype, const std::vector<int64_t>& strides) {
  test::PickleWriter pickle;
  pickle.op("}(").text("w");
  add_float8(pickle, dtype, 4, {2, 2}, strides);
  return pickle.op("u").done();
}

TEST_F(Float8File, ACheckpointIsWidenedWithItsStrides) {
  test::Checkpoint checkpoint;
  checkpoint.storages = {{"0", "\x3c\x40\xc4\x00"s}};
  const auto tensors = open(test::write_checkpoint(checkpoint, pickle_of("float8_e5m2", {1, 2})));
  const auto view = tensors->at("w");
  EXPECT_EQ(view.strides, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(numbers(*tensors, "w"), (std::vector<float>{1, 2, -4, 0}));
  EXPECT_EQ(tensors->stored("w").type, "F8_E5M2");
}

TEST_F(Float8File, ACheckpointWithoutAZipIsWidened) {
  const auto tensors = open(test::legacy_preamble() + pickle_of("float8_e4m3fn", {2, 1}) +
                            test::legacy_keys({"0"}) + "\x04\0\0\0\0\0\0\0\x38\x39\x3a\x3b"s);
  EXPECT_EQ(numbers(*tensors, "w"), (std::vector<float>{1, 1.125, 1.25, 1.375}));
}

TEST_F(Float8File, OtherDtypesOfBytesAreNamed) {
  test::Checkpoint checkpoint;
  checkpoint.storages = {{"0", "abcd"}};
  const auto tensors = open(test::write_checkpoint(checkpoint, pickle_of("uint16", {2, 1})));
  expect_error<CheckpointError>([&] { tensors->at("w"); }, "'w'", "torch.uint16");
}

TEST_F(Float8File, AScaleBesideAWeightIsApplied) {
  const auto tensors =
      safetensors(R"({"x.weight":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]},)"
                  R"("x.scale_weight":{"dtype":"F32","shape":[],"data_offsets":[4,8]},)"
                  R"("x.scale_input":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
                  R"("scaled_fp8":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[12,12]}})",
                  "\x38\xb8\x40\x00\x00\x00\x00\x3f\x00\x00\x80\x3f"s);
  EXPECT_EQ(tensors->names(), (std::vector<std::string>{"x.weight"}));
  EXPECT_EQ(tensors->describe("x.weight").dtype, DType::kF32);
  EXPECT_EQ(numbers(*tensors, "x.weight"), (std::vector<float>{0.5, -0.5, 1, 0}));
  EXPECT_EQ(tensors->stored("x.weight").type, "F8_E4M3");
}

TEST_F(Float8File, AScaleMayBeOneForEachRow) {
  const auto tensors =
      safetensors(R"({"x.weight":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]},)"
                  R"("x.weight_scale":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]}})",
                  "\x38\x38\x38\x38\x00\x00\x00\x40\x00\x00\x80\x40"s);
  EXPECT_EQ(numbers(*tensors, "x.weight"), (std::vector<float>{2, 2, 4, 4}));
}

TEST_F(Float8File, ScalesThatFitNoWeightAreRefused) {
  const auto refused = [&](const char* dtype, const char* scale, std::string_view part) {
    const auto header = R"({"x.weight":{"dtype":")"s + dtype +
                        R"(","shape":[2,2],"data_offsets":[0,4]},)"
                        R"("x.weight_scale":{"dtype":"F32","shape":)" +
                        scale + R"(,"data_offsets":[4,16]}})";
    expect_error<CheckpointError>([&] { safetensors(header, "abcdefghijklmnop"); }, "'x.weight",
                                  part);
  };
  refused("I8", "[3]", "is quantised: I8 with the scale 'x.weight_scale'");
  refused("F8_E4M3", "[3]", "expected one number, or one for each row");
}

}  // namespace
}  // namespace sd
