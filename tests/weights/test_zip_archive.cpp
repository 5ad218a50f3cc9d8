#include <gtest/gtest.h>

#include <string>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "support/zip_writer.h"
#include "weights/byte_reader.h"
#include "weights/zip_archive.h"

namespace sd {
namespace {

using test::as_bytes;
using test::expect_error;
using test::write_zip;
using test::ZipFile;

ZipFile file(std::string name, std::string contents) {
  ZipFile made;
  made.name = std::move(name);
  made.contents = std::move(contents);
  return made;
}

void expect_refused(const std::string& bytes, std::string_view part) {
  expect_error<CheckpointError>([&] { ZipArchive(as_bytes(bytes), "m.ckpt"); }, "m.ckpt", part);
}

TEST(ZipArchive, StoredEntriesAreSpansOfTheArchive) {
  const std::string bytes =
      write_zip({file("a/data.pkl", "pickle"), file("a/data/0", "tensor bytes")});
  const ZipArchive archive(as_bytes(bytes), "m.ckpt");
  ASSERT_EQ(archive.entries().size(), 2u);
  const ZipEntry* entry = archive.find("a/data/0");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(as_text(entry->packed), "tensor bytes");
  EXPECT_GE(static_cast<const void*>(entry->packed.data()), static_cast<const void*>(bytes.data()));
  EXPECT_LT(static_cast<const void*>(entry->packed.data()),
            static_cast<const void*>(bytes.data() + bytes.size()));
  EXPECT_EQ(archive.find("a/data/1"), nullptr);
}

TEST(ZipArchive, DeflatedEntriesComeBackWhole) {
  std::string contents;
  for (int i = 0; i < 20000; ++i) contents += std::to_string(i);
  ZipFile packed = file("a/data/0", contents);
  packed.deflate = true;
  ZipFile empty = file("a/data/1", "");
  empty.deflate = true;
  const std::string bytes = write_zip({packed, empty});
  const ZipArchive archive(as_bytes(bytes), "m.ckpt");
  EXPECT_LT(archive.entries()[0].packed.size(), contents.size());
  EXPECT_EQ(as_text(*archive.inflate(archive.entries()[0])), contents);
  EXPECT_TRUE(archive.inflate(archive.entries()[1])->empty());
}

TEST(ZipArchive, ReadsZip64) {
  const std::string bytes =
      write_zip({file("a", "first"), file("b", "second")}, {.zip64 = true, .comment = ""});
  const ZipArchive archive(as_bytes(bytes), "m.ckpt");
  EXPECT_EQ(as_text(archive.find("b")->packed), "second");
}

TEST(ZipArchive, ReadsSizesThatFollowTheBytes) {
  ZipFile streamed = file("a", "first");
  streamed.sizes_follow = true;
  const std::string bytes = write_zip({streamed, file("b", "second")});
  EXPECT_EQ(as_text(ZipArchive(as_bytes(bytes), "m.ckpt").find("a")->packed), "first");
}

TEST(ZipArchive, FindsItsEndBeforeAComment) {
  // The comment holds the end record's signature itself.
  const std::string bytes = write_zip(
      {file("a", "first")}, {.zip64 = false, .comment = "PK\x05\x06 and more than twenty-two"});
  EXPECT_EQ(as_text(ZipArchive(as_bytes(bytes), "m.ckpt").find("a")->packed), "first");
}

TEST(ZipArchive, EveryTruncationIsRefused) {
  const std::string bytes = write_zip({file("a", "first"), file("b", "second")});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(ZipArchive(as_bytes(bytes.substr(0, size)), "m.ckpt"), CheckpointError) << size;
  }
}

TEST(ZipArchive, SaysThatATruncatedFileIsTruncated) {
  expect_refused(write_zip({file("a", "first")}).substr(0, 40), "truncated zip archive");
}

TEST(ZipArchive, OverlappingEntriesAreRefused) {
  // An entry inside the bytes of another one.
  const std::string inner = write_zip({file("in", "x")});
  ZipFile outer = file("out", inner);
  ZipFile nested = file("in", "x");
  nested.claimed_offset = 30 + 3;  // right behind the outer entry's header and name
  expect_refused(write_zip({outer, nested}), "overlap");
}

TEST(ZipArchive, HeadersThatDisagreeAreRefused) {
  ZipFile lying = file("a", "first");
  lying.local_name = "b";
  expect_refused(write_zip({lying}), "another name");
  ZipFile outside = file("a", "first");
  outside.claimed_offset = 1'000'000;
  expect_refused(write_zip({outside}), "outside the archive");
  ZipFile longer = file("a", "first");
  longer.claimed_size = 6;
  expect_refused(write_zip({longer}), "two sizes differ");
}

TEST(ZipArchive, OffsetsNearTheEndOf64BitsAreRefused) {
  for (const uint64_t offset : {~uint64_t{0}, uint64_t{1} << 63, ~uint64_t{0} - 30}) {
    ZipFile lying = file("a", "first");
    lying.claimed_offset = offset;
    expect_refused(write_zip({lying}, {.zip64 = true, .comment = ""}), "outside the archive");
  }
}

TEST(ZipArchive, WhatIsNotReadIsRefusedByName) {
  ZipFile encrypted = file("a", "first");
  encrypted.flags = 1;
  expect_refused(write_zip({encrypted}), "encrypted");
  ZipFile lzma = file("a", "first");
  lzma.method = 14;
  expect_refused(write_zip({lzma}), "method 14");
  expect_refused(write_zip({file("a", "first"), file("a", "second")}), "two entries are named 'a'");
}

TEST(ZipArchive, ADeflateBombIsRefusedBeforeMemoryIsTaken) {
  ZipFile bomb = file("a", std::string(1000, 'x'));
  bomb.deflate = true;
  bomb.claimed_size = uint64_t{1} << 29;
  const std::string bytes = write_zip({bomb});
  const ZipArchive archive(as_bytes(bytes), "m.ckpt");
  expect_error<CheckpointError>([&] { archive.inflate(archive.entries()[0]); }, "claims to unpack",
                                "536870912");
}

TEST(ZipArchive, DamagedDeflateDataIsRefused) {
  ZipFile packed = file("a", std::string(1000, 'x') + "y");
  packed.deflate = true;
  for (const uint64_t size : {uint64_t{1000}, uint64_t{1002}}) {
    packed.claimed_size = size;
    const std::string bytes = write_zip({packed});
    const ZipArchive archive(as_bytes(bytes), "m.ckpt");
    expect_error<CheckpointError>([&] { archive.inflate(archive.entries()[0]); },
                                  "does not unpack");
  }
  packed.claimed_size.reset();
  packed.claimed_crc = 1;
  const std::string bytes = write_zip({packed});
  const ZipArchive archive(as_bytes(bytes), "m.ckpt");
  expect_error<CheckpointError>([&] { archive.inflate(archive.entries()[0]); }, "checksum");
}

}  // namespace
}  // namespace sd
