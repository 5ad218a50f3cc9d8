#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/npy.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::as_bytes;
using test::expect_error;

/// A version 1.0 file with the given header dictionary and `values` behind it.
std::string npy(const std::string& dictionary, const std::string& values = "") {
  std::string header = dictionary + "\n";
  std::string file = "\x93NUMPY";
  file += '\x01';
  file += '\0';
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  return file + header + values;
}

NpyArray parse(const std::string& file) { return parse_npy(as_bytes(file)); }

TEST(Npy, WhatIsWrittenReadsTheSame) {
  const std::vector<int64_t> shape = {2, 1, 3};
  const std::vector<float> values = {0, -1.5F, 1e-30F, std::numeric_limits<float>::infinity(),
                                     3, 4};
  const auto array = parse_npy(encode_npy(shape, values));
  EXPECT_EQ(array.shape, shape);
  EXPECT_EQ(array.values, values);
}

TEST(Npy, WritesTheBytesThatNumpyWrites) {
  // np.save of np.array([1.0], dtype=np.float32)
  std::string expected =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + std::string(60, ' '),
          std::string("\0\0\x80\x3f", 4));
  const auto bytes = encode_npy(std::vector<int64_t>{1}, std::vector<float>{1.0F});
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), expected);
}

TEST(Npy, ScalarsAndEmptyArraysKeepTheirShape) {
  EXPECT_EQ(parse_npy(encode_npy({}, std::vector<float>{7})).values, std::vector<float>{7});
  const auto empty = parse_npy(encode_npy(std::vector<int64_t>{0, 4}, {}));
  EXPECT_EQ(empty.shape, (std::vector<int64_t>{0, 4}));
  EXPECT_TRUE(empty.values.empty());
}

TEST(Npy, ReadsAnyOrderOfKeysAndEitherQuote) {
  const auto array =
      parse(npy("{\"shape\":(1),'fortran_order':False,  'descr':\"<f4\"}", std::string(4, '\0')));
  EXPECT_EQ(array.shape, std::vector<int64_t>{1});
}

TEST(Npy, ReadsVersionTwoWithItsLongLength) {
  std::string file =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", std::string(4, '\0'));
  file[6] = '\x02';
  file.insert(10, std::string(2, '\0'));
  EXPECT_EQ(parse(file).values, std::vector<float>{0});
}

TEST(Npy, ReadErrorNamesTheFile) {
  const test::TempFolder folder;
  test::write_text(folder / "noise.npy", "PK\x03\x04");
  expect_error<IoError>([&] { read_npy(folder / "noise.npy"); }, "noise.npy", "signature");
  expect_error<IoError>([&] { read_npy(folder / "absent.npy"); }, "absent.npy", "no such file");
}

TEST(Npy, ReadsAFile) {
  const test::TempFolder folder;
  write_file(folder / "a.npy", encode_npy(std::vector<int64_t>{2}, std::vector<float>{1, 2}));
  EXPECT_EQ(read_npy(folder / "a.npy").values, (std::vector<float>{1, 2}));
}

TEST(Npy, EveryTruncationIsAnError) {
  const std::string whole =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", std::string(8, '\0'));
  EXPECT_NO_THROW(parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(parse(whole.substr(0, size)), IoError) << size;
  }
}

TEST(Npy, BytesBehindTheValuesAreAnError) {
  expect_error<IoError>(
      [] { parse(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "12345678")); },
      "takes 4 bytes, found 8");
}

TEST(Npy, OtherDtypesAreErrorsThatSayWhatToDo) {
  for (const char* dtype : {"<f8", "<f2", ">f4", "|u1", "<i4", "|O", "<c8", ""}) {
    expect_error<IoError>(
        [&] {
          parse(npy(
              "{'descr': '" + std::string(dtype) + "', 'fortran_order': False, 'shape': (1,), }",
              "1234"));
        },
        "float32", dtype, "astype");
  }
}

TEST(Npy, DtypeWithFieldsIsAnError) {
  expect_error<IoError>(
      [] {
        parse(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"));
      },
      "fields");
}

TEST(Npy, FortranOrderIsAnError) {
  expect_error<IoError>(
      [] { parse(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", "1234")); },
      "ascontiguousarray");
}

TEST(Npy, ShapesThatOverflowAreErrors) {
  for (const char* shape : {"(2147483649,)", "(65536, 65536)", "(99999999999999999999999999,)",
                            "(4294967296, 4294967296, 4294967296)", "(0, 18446744073709551615)"}) {
    EXPECT_THROW(parse(npy("{'descr': '<f4', 'fortran_order': False, 'shape': " +
                           std::string(shape) + ", }")),
                 IoError)
        << shape;
  }
}

TEST(Npy, AShapeLargerThanTheFileAllocatesNothing) {
  expect_error<IoError>(
      [] {
        parse(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483648,), }", "1234"));
      },
      "takes 8589934592 bytes, found 4");
}

TEST(Npy, DamagedHeadersAreErrors) {
  for (const char* header :
       {"", "{", "{}", "{'descr'", "{'descr': }", "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': Maybe}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} extra",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'other': 'x'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "{'descr: <f4"}) {
    EXPECT_THROW(parse(npy(header, "1234")), IoError) << header;
  }
}

TEST(Npy, TooManyDimensionsAreAnError) {
  std::string shape = "(";
  for (int i = 0; i < 33; ++i) shape += "1,";
  expect_error<IoError>(
      [&] {
        parse(npy("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "), }", "1234"));
      },
      "dimensions");
}

TEST(Npy, UnknownVersionAndHugeHeaderAreErrors) {
  std::string file = npy("{}");
  file[6] = '\x04';
  expect_error<IoError>([&] { parse(file); }, "version 4");
  file[6] = '\x02';
  file.insert(8, "\xff\xff\xff\xff");
  expect_error<IoError>([&] { parse(file); }, "header of 4294967295 bytes");
}

TEST(Npy, ValuesThatDoNotFillTheShapeCannotBeWritten) {
  EXPECT_THROW(encode_npy(std::vector<int64_t>{2}, std::vector<float>{1}), Error);
  EXPECT_THROW(encode_npy(std::vector<int64_t>{-1}, {}), Error);
}

}  // namespace
}  // namespace sd
