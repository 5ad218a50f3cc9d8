#include <gtest/gtest.h>

#include "cli/record/confined_paths.h"
#include "cli/record/output_folder.h"
#include "sd/core/error.h"
#include "sd/image/png.h"
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

/// A task's picture, its settings and what a process wrote of it.
class OutputFolderTask : public testing::Test {
 protected:
  std::vector<std::byte> file(const nlohmann::ordered_json& settings) const {
    return encode_png({1, 1, 3, {1, 2, 3}}, {{"sd", settings.dump()}});
  }
  std::filesystem::path write(const nlohmann::ordered_json& settings) {
    NameFields fields;
    fields.number = 3;
    return output_.write_task_sample(file(settings), fields, "", {settings});
  }
  std::string bytes(const nlohmann::ordered_json& settings) const {
    const auto all = file(settings);
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }

  TempFolder folder_;
  OutputFolder output_{folder_.path()};
  const std::filesystem::path picture_ = folder_ / "samples/00003.png";
  const nlohmann::ordered_json settings_ = {{"seed", 1}}, others_ = {{"seed", 2}};
};

TEST_F(OutputFolderTask, WhatIsLeftOfItsPictureIsReplaced) {
  const auto whole = bytes(settings_);
  std::vector<std::string> remains = {"", std::string(whole.size(), '\0')};
  for (const std::size_t size : {std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    remains.push_back(whole.substr(0, size));
    remains.push_back(whole.substr(0, size) + std::string(whole.size() - size, '\0'));
  }
  for (const auto& rest : remains) {
    write_text(picture_, rest);
    EXPECT_EQ(write(settings_), picture_) << rest.size();
    EXPECT_EQ(read_text(picture_), whole) << rest.size();
    EXPECT_EQ(output_.take_replaced(), std::vector{picture_});
  }
}

TEST_F(OutputFolderTask, WhatIsLeftOfItsPictureFromAnotherMachineIsReplacedByItsTexts) {
  auto elsewhere = settings_;
  elsewhere["threads"] = 7;
  const auto theirs = bytes(elsewhere);
  write_text(picture_, theirs.substr(0, theirs.size() - 1));
  EXPECT_EQ(write(settings_), picture_);
  EXPECT_EQ(read_text(picture_), bytes(settings_));
}

TEST_F(OutputFolderTask, ItsPictureIsKept) {
  ASSERT_EQ(write(settings_), picture_);
  EXPECT_EQ(write(settings_), picture_);
  EXPECT_TRUE(output_.take_replaced().empty());
}

TEST_F(OutputFolderTask, WhatIsLeftOfSomethingElseStays) {
  const auto others = bytes(others_);
  for (const auto& rest : {others, others.substr(0, others.size() - 1), std::string("notes")}) {
    write_text(picture_, rest);
    const auto path = write(settings_);
    EXPECT_EQ(path.filename(), "00003-0001.png");
    std::filesystem::remove(path);
    EXPECT_EQ(read_text(picture_), rest);
  }
}

TEST_F(OutputFolderTask, ALinkIsNotWrittenThrough) {
  write_text(folder_ / "elsewhere", "");
  std::filesystem::create_symlink(folder_ / "elsewhere", picture_);
  EXPECT_EQ(write(settings_).filename(), "00003-0001.png");
  EXPECT_EQ(read_text(folder_ / "elsewhere"), "");
}

TEST_F(OutputFolderTask, ItsSourceTakesNoNameFromIt) {
  const auto source = folder_ / "source/00003.png";
  std::filesystem::create_directories(source.parent_path());
  const auto write_swap = [&] {
    NameFields fields;
    fields.number = 3;
    return output_.write_task_sample(file(settings_), fields, "", {settings_, others_});
  };
  for (const auto& rest : {bytes(others_), bytes(others_).substr(0, 20)}) {
    write_text(source, rest);
    EXPECT_EQ(write_swap(), picture_);
    std::filesystem::remove(picture_);
  }
  write_text(source, bytes({{"seed", 3}}));
  EXPECT_EQ(write_swap().filename(), "00003-0001.png");
}

TEST(OutputFolder, ConfinedFollowsNoLinkBelow) {
  const TempFolder folder;
  const auto out = folder / "out", away = folder / "away";
  std::filesystem::create_directories(out / "samples");
  std::filesystem::create_directories(away);
  std::filesystem::create_directory_symlink(away, out / "samples/cat");
  std::filesystem::create_directory_symlink(folder / "nowhere", out / "samples/dog");
  const auto names = NameTemplate::parse("{prompt}/{number}");
  OutputFolder output(out, FileFormat::kPng, names, /*confined=*/true);
  for (const char* link : {"cat", "dog"}) {
    NameFields fields;
    fields.prompt = link;
    test::expect_error<UsageError>([&] { output.write_sample(as_bytes("x"), fields); },
                                   "--confined", link);
    test::expect_error<UsageError>([&] { output.write_task_sample(as_bytes("x"), fields, "", {}); },
                                   "--confined", link);
  }
  EXPECT_TRUE(std::filesystem::is_empty(away));
  EXPECT_FALSE(std::filesystem::exists(folder / "nowhere"));
  std::filesystem::rename(out / "samples", folder / "samples");
  std::filesystem::create_directory_symlink(folder / "samples", out / "samples");
  test::expect_error<UsageError>([&] { OutputFolder(out, FileFormat::kPng, names, true); },
                                 "--confined", "samples");
  EXPECT_NO_THROW(OutputFolder(out, FileFormat::kPng, names));
}

TEST(ConfinedPaths, StayBelowTheirRoot) {
  const TempFolder folder;
  const auto root = folder / "root";
  std::filesystem::create_directories(root / "inner");
  std::filesystem::create_directories(folder / "root2");
  std::filesystem::create_directory_symlink(folder / "root2", root / "out");
  std::filesystem::create_directory_symlink(root / "inner", root / "in");
  std::filesystem::create_symlink("gone", root / "dead");
  std::filesystem::create_directory_symlink(root, folder / "door");
  for (const auto& path : {root / "a", root / "inner/a/b", root / "inner/../a", folder / "door/a",
                           root / "new/../a", root / "inner/"}) {
    EXPECT_NO_THROW(require_confined(root, path, "--attn")) << path;
    EXPECT_NO_THROW(require_confined(folder / "door", path, "--attn")) << path;
  }
  for (const auto& path :
       {folder / "a", root / "../a", root / "../root2/a", folder / "root2", root / "out/a",
        root / "out", root / "in/a", root / "out/../a", root / "dead", root / "dead/a",
        root / "new/../../a", std::filesystem::path("/etc/x"), std::filesystem::path("a")}) {
    test::expect_error<UsageError>([&] { require_confined(root, path, "--attn"); },
                                   "--attn: ", path.string());
  }
}

TEST(ConfinedPaths, WhatIsReadMayLieBelowAnyOfTheRoots) {
  const TempFolder folder;
  for (const char* name : {"a", "b", "c"}) std::filesystem::create_directories(folder / name);
  write_text(folder / "a/x", "");
  write_text(folder / "c/x", "");
  std::filesystem::create_symlink(folder / "a/x", folder / "b/in");
  std::filesystem::create_symlink(folder / "c/x", folder / "b/out");
  const std::vector<std::filesystem::path> roots = {folder / "a", folder / "b"};
  for (const char* path : {"a/x", "b/in", "b/missing", "a/../b/in"})
    EXPECT_NO_THROW(require_readable(roots, folder / path, "--init-img")) << path;
  for (const char* path : {"c/x", "b/out", "a/../c/x", "b/../../x"}) {
    test::expect_error<UsageError>([&] { require_readable(roots, folder / path, "--init-img"); },
                                   "--init-img: ");
  }
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
