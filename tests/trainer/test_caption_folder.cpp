#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"
#include "trainer/caption_folder.h"

namespace sd::train {
namespace {

using test::expect_error;
using test::write_text;

class CaptionFolder : public ::testing::Test {
 protected:
  std::vector<std::string> captions(const std::optional<std::string>& fallback = {}) const {
    std::vector<std::string> found;
    for (const auto& picture : read_caption_folder(folder.path(), fallback))
      found.push_back(picture.path.filename().string() + ": " + picture.caption);
    return found;
  }

  test::TempFolder folder;
};

TEST_F(CaptionFolder, TextFilesBesidePicturesAreTheirCaptions) {
  write_text(folder / "b.JPG", "");
  write_text(folder / "b.txt", " a dog, running \r\nsecond line");
  write_text(folder / "a.png", "");
  write_text(folder / "a.txt", "a cat\n");
  write_text(folder / "notes.md", "no picture");
  EXPECT_EQ(captions(), (std::vector<std::string>{"a.png: a cat", "b.JPG: a dog, running"}));
}

TEST_F(CaptionFolder, AListNamesPicturesAndCaptionsInItsOrder) {
  write_text(folder / "b.png", "");
  write_text(folder / "a.png", "");
  write_text(folder / "not listed.png", "");
  write_text(folder / "metadata.jsonl",
             "{\"file_name\": \"b.png\", \"text\": \"a dog\"}\n\n"
             "{\"text\": \"a \\u732b\", \"file_name\": \"a.png\", \"more\": 1}\n");
  EXPECT_EQ(captions(), (std::vector<std::string>{"b.png: a dog", "a.png: a 猫"}));
}

TEST_F(CaptionFolder, AnotherCaptionStandsForOnesThatAreMissing) {
  write_text(folder / "a.png", "");
  write_text(folder / "a.txt", "a cat");
  write_text(folder / "b.png", "");
  EXPECT_EQ(captions("a thing"), (std::vector<std::string>{"a.png: a cat", "b.png: a thing"}));
}

TEST_F(CaptionFolder, APictureWithoutACaptionIsNamed) {
  write_text(folder / "a.png", "");
  expect_error<UsageError>([&] { captions(); }, "a.png: has no caption", "a.txt", "--caption");
  write_text(folder / "a.txt", " \n");
  expect_error<UsageError>([&] { captions(); }, "a.png: has no caption");
  write_text(folder / "metadata.jsonl", "{\"file_name\": \"a.png\"}");
  expect_error<UsageError>([&] { captions(); }, "a.png: has no caption", "metadata.jsonl");
}

TEST_F(CaptionFolder, AFolderWithoutPicturesIsRefused) {
  expect_error<UsageError>([&] { captions(); }, "there are no pictures", "metadata.jsonl");
  write_text(folder / "metadata.jsonl", "");
  expect_error<UsageError>([&] { captions(); }, "there are no pictures");
}

TEST_F(CaptionFolder, WhatIsNoFolderIsAnInputError) {
  expect_error<IoError>([&] { read_caption_folder(folder / "absent", {}); }, "found nothing");
  write_text(folder / "file", "");
  expect_error<IoError>([&] { read_caption_folder(folder / "file", {}); }, "found something else");
}

TEST_F(CaptionFolder, AListedPictureThatIsNotThereIsNamed) {
  write_text(folder / "metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"a cat\"}");
  expect_error<IoError>([&] { captions(); }, "metadata.jsonl", "a.png");
}

TEST(CaptionLines, DamagedOnesAreNamedByTheirNumber) {
  const auto parse = [](std::string lines) {
    return [lines = std::move(lines)] { parse_caption_lines(lines, "list"); };
  };
  const std::string good = "{\"file_name\": \"a.png\", \"text\": \"a cat\"}\n";
  expect_error<UsageError>(parse(good + "{\"file_name\": \"b"), "list, line 2");
  expect_error<UsageError>(parse("[]"), "line 1", "expected an object");
  expect_error<UsageError>(parse("{\"text\": \"a\"}"), "file_name");
  expect_error<UsageError>(parse("{\"file_name\": 3}"), "file_name");
  expect_error<UsageError>(parse("{\"file_name\": \"a.png\", \"text\": 3}"), "text");
  expect_error<UsageError>(parse(good + good), "line 2", "named before");
}

TEST(CaptionLines, NamesDoNotLeadOutOfTheFolder) {
  for (const char* name : {"../a.png", "/a.png", "b/../../a.png", "", "a\\u0000.png"}) {
    const auto line = std::string("{\"file_name\": \"") + name + "\", \"text\": \"a\"}";
    expect_error<UsageError>([&] { parse_caption_lines(line, "list"); }, "below the folder");
  }
}

}  // namespace
}  // namespace sd::train
