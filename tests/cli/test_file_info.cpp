#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/models/file_info.h"
#include "cli/plan/draw_notices.h"
#include "cli/record/picture_record.h"
#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using test::expect_error;
using test::TempFolder;
using test::write_text;

/// A 2x1 picture with `texts`.
std::filesystem::path write_png(const TempFolder& folder, const std::vector<PngText>& texts) {
  const auto bytes = encode_png({2, 1, 3, {255, 0, 0, 0, 0, 255}}, texts);
  write_text(folder / "x.png", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return folder / "x.png";
}

TEST(FileInfo, ReadsBackWhatTxt2ImgWrites) {
  const TempFolder folder;
  RunRecord run;
  run.model_name = "tiny";
  PictureRecord record;
  record.prompt = "ein Haus im Schnee, 雪";
  const auto info = describe_file(write_png(folder, png_texts(run, record)));
  EXPECT_EQ(info.at("kind"), "image");
  EXPECT_EQ(info.at("format"), "PNG");
  EXPECT_EQ(info.at("width"), 2);
  EXPECT_EQ(info.at("parameters").at("prompt"), "ein Haus im Schnee, 雪");
  EXPECT_EQ(info.at("parameters").at("settings").at("Steps"), "50");
  EXPECT_EQ(info.at("texts").at("sd").at("seed"), 42);
}

TEST(FileInfo, PrintsForPeople) {
  const TempFolder folder;
  const auto text = text_of(
      describe_file(write_png(folder, {{"parameters", "a cat\nSteps: 20, Seed: 1, Size: 2x1"}})));
  EXPECT_NE(text.find("\n  parameters:\n    prompt: a cat\n    settings:\n      Steps: 20\n"),
            std::string::npos)
      << text;
}

TEST(FileInfo, NeverLetsAPictureSteerTheTerminal) {
  const TempFolder folder;
  const auto text = text_of(describe_file(write_png(folder, {{"Comment", "\x1b]0;owned\x07"}})));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("\\x1b]0;owned\\x07"), std::string::npos) << text;
}

TEST(FileInfo, NamesTheProgramThatWroteNoInfotext) {
  const TempFolder folder;
  const auto info = describe_file(write_png(
      folder,
      {{"parameters", R"({"prompt": "a boat", "steps": 2, "metadata_scheme": "fooocus"})"}}));
  EXPECT_EQ(info.at("made_by"), "Fooocus");
  EXPECT_EQ(info.at("parameters").at("prompt"), "a boat");
  EXPECT_EQ(info.at("parameters").at("settings").at("Steps"), "2");
  EXPECT_EQ(info.at("texts").at("parameters").at("metadata_scheme"), "fooocus");
}

TEST(FileInfo, JsonNestedWithoutEndIsText) {
  const TempFolder folder;
  std::string deep = "{\"a\":" + std::string(200'000, '[');
  deep += std::string(200'000, ']') + "}";
  const auto info = describe_file(write_png(folder, {{"Comment", deep}}));
  EXPECT_EQ(info.at("texts").at("Comment"), deep);
}

TEST(FileInfo, PrintsJsonOnOneLine) {
  const TempFolder folder;
  const auto line = json_of(describe_file(write_png(folder, {{"Comment", "two\nlines"}})));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(line).at("texts").at("Comment"), "two\nlines");
}

TEST(FileInfo, ListsClassesOfACheckpointThatAreNotKnown) {
  const auto info = describe_file(SD_TEST_DATA "/tiny-v1.ckpt", /*hash=*/false);
  const std::string name = "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint";
  EXPECT_EQ(info.at("foreign_names"), (nlohmann::json{{"count", 1}, {"names", {name}}}));
  EXPECT_NE(text_of(info).find(name), std::string::npos);
  const auto plain = describe_file(SD_TEST_DATA "/tiny-v1-diffusers", /*hash=*/false);
  EXPECT_TRUE(plain.at("foreign_names").is_null());
}

TEST(ForeignNotice, IsOneLineAndNamesAFew) {
  EXPECT_EQ(foreign_notice("m.ckpt", {}), "");
  EXPECT_EQ(foreign_notice("m.ckpt", {"a.B"}),
            "m.ckpt: its pickle names a class unknown here, of which nothing is run: a.B");
  const auto many = foreign_notice("m.ckpt", {"a.B", "c." + std::string(200, 'D'), "e.F", "g.H"});
  EXPECT_NE(many.find("4 classes"), std::string::npos) << many;
  EXPECT_EQ(many.find("g.H"), std::string::npos) << many;
  EXPECT_NE(many.find("sd info"), std::string::npos) << many;
  EXPECT_EQ(many.find('\n'), std::string::npos) << many;
  EXPECT_LT(many.size(), 300u);
}

TEST(FileInfo, CutsLongValuesForPeopleAndKeepsThemInJson) {
  const TempFolder folder;
  const std::string value(1 << 20, 'v'), key(79, 'k');
  const auto prompt = "a cat, " + std::string(1 << 20, 'p');
  const auto info = describe_file(write_png(
      folder, {{"parameters", prompt + "\nSteps: 20, Seed: 1, Size: 2x1"}, {key, value}}));
  const auto text = text_of(info);
  EXPECT_LT(text.size(), 5000u);
  EXPECT_NE(text.find(key + ": " + std::string(200, 'v') + "… (1048576 characters)"),
            std::string::npos);
  EXPECT_NE(text.find("prompt: a cat, " + std::string(1993, 'p') + "… ("), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(json_of(info)).at("texts").at(key), value);
}

TEST(FileInfo, CutsEachNameOfAListAndAnObjectOfManyEntries) {
  nlohmann::ordered_json info = {{"file", "x"}, {"names", {std::string(500, 'n'), "short"}}};
  for (int i = 0; i < 1000; ++i) info["texts"]["key" + std::to_string(i)] = "v";
  const auto text = text_of(info);
  EXPECT_NE(text.find(std::string(200, 'n') + "… (500 characters)\",\"short\"]"), std::string::npos)
      << text;
  EXPECT_NE(text.find("key199: v\n    … (1000 entries)"), std::string::npos) << text;
  EXPECT_EQ(text.find("key200"), std::string::npos);
}

TEST(FileInfo, KeepsTheWordsOfAProblemAroundANameThatIsCut) {
  const auto text =
      text_of({{"file", "x"},
               {"problem", std::string(500, 'n') + " is missing" + std::string(50, '.') + " of " +
                               std::string(150, 'm') + " here"}});
  EXPECT_NE(text.find(std::string(200, 'n') + "… (500 characters) is missing"), std::string::npos);
  EXPECT_TRUE(text.ends_with("m here")) << text;
}

TEST(FileInfo, RefusesWhatIsNoFileAndNamesIt) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("gone.png", folder / "link");
  expect_error<IoError>([&] { describe_file(folder / "fifo"); }, "found a FIFO");
  expect_error<IoError>([] { describe_file("/dev/zero"); }, "found a device");
  expect_error<IoError>([&] { describe_file(folder / "link"); }, "is a link to gone.png");
}

TEST(FileInfo, NamesWhatItCannotDescribe) {
  const TempFolder folder;
  write_text(folder / "x.txt", "hello");
  expect_error<IoError>([&] { describe_file(folder / "absent"); }, "absent does not exist");
  expect_error<CheckpointError>([&] { describe_file(folder / "x.txt"); }, "x.txt");
  write_text(folder / "cut.png", "\x89PNG\r\n\x1a\n");
  expect_error<IoError>([&] { describe_file(folder / "cut.png"); }, "cut.png");
}

}  // namespace
}  // namespace sd::cli
