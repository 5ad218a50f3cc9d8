#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sd/image/read.h"
#include "trainer/scene_files.h"

namespace sd::train {
namespace {

TEST(WriteScenes, FilesAndLinesDescribeTheScenes) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "written_scenes";
  std::filesystem::remove_all(folder);
  const SceneGenerator generator;
  write_scenes(generator, folder, 12, 3, Split::kHeldOut);

  std::ifstream lines(folder / "scenes.jsonl");
  std::string line;
  uint64_t index = 0;
  for (; std::getline(lines, line); ++index) {
    const auto row = nlohmann::json::parse(line);
    const auto scene = generator.make(3, index, Split::kHeldOut);
    EXPECT_EQ(row["caption"], scene.caption);
    EXPECT_EQ(read_image(folder / row["picture"].get<std::string>()).pixels, scene.picture.pixels);
    ASSERT_EQ(row["objects"].size(), scene.objects.size());
    for (std::size_t i = 0; i < scene.objects.size(); ++i) {
      const auto& object = row["objects"][i];
      const auto mask = read_image(folder / object["mask"].get<std::string>());
      EXPECT_EQ(mask.channels, 1);
      EXPECT_EQ(mask.pixels, scene.objects[i].mask);
      EXPECT_EQ(find_kind(object["kind"].get<std::string>()), scene.objects[i].kind);
      EXPECT_EQ(object["box"][2], scene.objects[i].size);
    }
    for (const auto& word : row["words"]) {
      EXPECT_EQ(scene.caption.substr(word["begin"], word["end"].get<std::size_t>() -
                                                        word["begin"].get<std::size_t>()),
                word["text"]);
    }
    EXPECT_EQ(row["place"].is_null(), scene.objects.size() == 1);
  }
  EXPECT_EQ(index, 12u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sd::train
