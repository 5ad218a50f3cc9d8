#include "cli/output_folder.h"

#include <gtest/gtest.h>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using test::as_bytes;
using test::read_text;
using test::TempFolder;
using test::write_text;

TEST(OutputFolder, NamesFilesAsTheOriginalDoes) {
  const TempFolder folder;
  OutputFolder output(folder / "out");
  EXPECT_EQ(output.write_sample(as_bytes("a")), folder / "out" / "samples" / "00000.png");
  EXPECT_EQ(output.write_sample(as_bytes("b")), folder / "out" / "samples" / "00001.png");
  EXPECT_EQ(output.write_grid(as_bytes("c")), folder / "out" / "grid-0000.png");
  EXPECT_EQ(read_text(folder / "out" / "samples" / "00001.png"), "b");
}

TEST(OutputFolder, CountsOnFromTheHighestNumberThere) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "samples");
  write_text(folder / "samples/00007.png", "old");
  write_text(folder / "samples/00002.png", "old");
  write_text(folder / "samples/holiday.png", "mine");
  write_text(folder / "samples/00009.tif", "mine");
  write_text(folder / "samples/-0012.png", "mine");
  write_text(folder / "samples/99999999999999999999.png", "mine");
  write_text(folder / "grid-0041.png", "old");
  OutputFolder output(folder.path());
  EXPECT_EQ(output.write_sample(as_bytes("new")).filename(), "00008.png");
  EXPECT_EQ(output.write_grid(as_bytes("new")).filename(), "grid-0042.png");
}

TEST(OutputFolder, KnowsNumbersOfMoreDigits) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "samples");
  write_text(folder / "samples/99999.png", "old");
  OutputFolder output(folder.path());
  EXPECT_EQ(output.write_sample(as_bytes("new")).filename(), "100000.png");
  EXPECT_EQ(next_number(folder / "samples", "", 5), 100001);
}

TEST(OutputFolder, StepsAsideForAnotherRunInTheSameFolder) {
  const TempFolder folder;
  OutputFolder first(folder.path());
  OutputFolder second(folder.path());
  EXPECT_EQ(first.write_sample(as_bytes("first")).filename(), "00000.png");
  EXPECT_EQ(second.write_sample(as_bytes("second")).filename(), "00001.png");
  EXPECT_EQ(read_text(folder / "samples/00000.png"), "first");
}

TEST(OutputFolder, RefusesAPathBelowAFile) {
  const TempFolder folder;
  write_text(folder / "file", "");
  test::expect_error<IoError>([&] { OutputFolder(folder / "file/out"); }, "file");
}

TEST(OutputFolder, ReportsAFolderThatWentAway) {
  const TempFolder folder;
  OutputFolder output(folder / "out");
  std::filesystem::remove_all(folder / "out");
  test::expect_error<IoError>([&] { output.write_sample(as_bytes("x")); }, "samples");
}

TEST(OutputFolder, CountsPicturesOfEveryFormat) {
  const TempFolder folder;
  std::filesystem::create_directories(folder / "samples");
  write_text(folder / "samples/00007.jpg", "old");
  write_text(folder / "grid-0003.png", "old");
  OutputFolder output(folder.path(), FileFormat::kWebp);
  EXPECT_EQ(output.write_sample(as_bytes("new")).filename(), "00008.webp");
  EXPECT_EQ(output.write_grid(as_bytes("new")).filename(), "grid-0004.webp");
  EXPECT_EQ(output.write_grid(as_bytes("large"), FileFormat::kPng).filename(), "grid-0005.png");
  EXPECT_EQ(output.write_sheet(as_bytes("new")).filename(), "sheet-0000.webp");
  EXPECT_EQ(output.write_named(as_bytes("new"), "cat", "_tar").filename(), "cat_tar.webp");
  EXPECT_EQ(output.write_named(as_bytes("new"), "cat", "_tar").filename(), "cat_tar-0001.webp");
}

TEST(OutputFolder, FollowsATemplateWithoutOverwriting) {
  const TempFolder folder;
  OutputFolder output(folder.path(), FileFormat::kPng, NameTemplate::parse("{seed}/{prompt}"));
  NameFields fields;
  fields.seed = 5;
  fields.prompt = "a cat";
  const auto samples = folder / "samples";
  const auto first = output.write_sample(as_bytes("1"), fields);
  EXPECT_EQ(first, samples / "5/a_cat.png");
  EXPECT_EQ(output.write_sample(as_bytes("2"), fields), samples / "5/a_cat-0001.png");
  EXPECT_EQ(read_text(first), "1");
  EXPECT_EQ(output.write_source(as_bytes("s"), first), folder / "source/5/a_cat.png");
  // A source or a picture of another format has the name already.
  OutputFolder other(folder.path(), FileFormat::kJpeg, NameTemplate::parse("{seed}/{prompt}"));
  EXPECT_EQ(other.write_sample(as_bytes("3"), fields), samples / "5/a_cat-0002.jpg");
}

TEST(OutputFolder, NumbersOfATemplateCountOnInEachFolder) {
  const TempFolder folder;
  const auto names = NameTemplate::parse("{prompt}/{number:03}-{seed}");
  NameFields cat, dog;
  cat.prompt = "cat";
  dog.prompt = "dog";
  OutputFolder output(folder.path(), FileFormat::kPng, names);
  EXPECT_EQ(output.write_sample(as_bytes("x"), cat).filename(), "000-0.png");
  EXPECT_EQ(output.write_sample(as_bytes("x"), cat).filename(), "001-0.png");
  EXPECT_EQ(output.write_sample(as_bytes("x"), dog).filename(), "000-0.png");
  OutputFolder later(folder.path(), FileFormat::kPng, names);
  EXPECT_EQ(later.write_sample(as_bytes("x"), cat).filename(), "002-0.png");
}

}  // namespace
}  // namespace sd::cli
