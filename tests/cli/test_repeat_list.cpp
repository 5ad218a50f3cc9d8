// Commands for pictures whose list of prompts is gone.
#include <gtest/gtest.h>

#include <algorithm>

#include "cli/record/repeat_list.h"
#include "support/temp_folder.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

GivenCommand of_list(const std::string& list, std::vector<GivenOption> more = {}) {
  GivenCommand command{"txt2img", {{"from-file", list}, {"steps", "4"}, {"seed", "9"}}};
  command.options.insert(command.options.end(), more.begin(), more.end());
  return command;
}

/// A picture of a run of `prompts` prompts, `together` at a time.
Json settings(int prompts, int together, int iteration, int sample, int sample_index) {
  const int in_batch = sample_index % prompts / together * together;
  return {{"prompt", "a cat"},
          {"seed_mode", "batch"},
          {"run",
           {{"n_samples", together},
            {"prompt_count", prompts},
            {"batch_size", std::min(together, prompts - in_batch)},
            {"iteration", iteration},
            {"sample", sample},
            {"sample_index", sample_index}}}};
}

std::vector<std::string> notes;

TEST(LostList, IsStandardInputOrAFileThatIsGoneOrChanged) {
  const test::TempFolder folder;
  test::write_text(folder / "list.txt", "abc");
  const auto run = settings(2, 1, 0, 0, 1);
  const auto file = (folder / "list.txt").string();
  EXPECT_TRUE(lost_its_list(of_list("-"), run));
  EXPECT_TRUE(lost_its_list(of_list(folder / "gone.txt"), run));
  EXPECT_FALSE(lost_its_list(of_list(file), run));
  auto changed = run;
  changed["file_hashes"]["from-file"] = "ba7816bf8f";  // of "abc"
  EXPECT_FALSE(lost_its_list(of_list(file), changed));
  changed["file_hashes"]["from-file"] = "0123456789";
  EXPECT_TRUE(lost_its_list(of_list(file), changed));
}

TEST(LostList, OfAGridOrOfSpoiledNumbersIsLeftAlone) {
  auto grid = settings(2, 1, 0, 0, 1);
  grid["run"]["grid"] = 2;
  EXPECT_FALSE(lost_its_list(of_list("-"), grid));
  auto spoiled = settings(2, 1, 0, 0, 1);
  spoiled["run"]["n_samples"] = 0;
  EXPECT_FALSE(lost_its_list(of_list("-"), spoiled));
  EXPECT_NO_THROW(lost_its_list(of_list("-"), {{"run", 7}}));
}

TEST(WithoutList, ThePromptStandsInItsPlaceAndTheBatchesBeforeItAreKept) {
  auto command = of_list("-", {{"n_samples", "3"}, {"combinations", std::nullopt}});
  EXPECT_EQ(draw_without_list(command, settings(6, 3, 1, 2, 11), notes), "");
  EXPECT_EQ(command.options, (std::vector<GivenOption>{{"prompt", "a cat"},
                                                       {"steps", "4"},
                                                       {"seed", "9"},
                                                       {"n_samples", "3"},
                                                       {"n_iter", "4"},
                                                       {"only", "11"}}));
}

TEST(WithoutList, ASingleFirstPictureNeedsNoChoice) {
  auto command = of_list("-");
  draw_without_list(command, settings(5, 1, 0, 0, 0), notes);
  EXPECT_FALSE(command.has("only"));
}

TEST(WithoutList, AListShorterThanABatchMakesSmallerOnes) {
  auto command = of_list("-");
  EXPECT_EQ(draw_without_list(command, settings(2, 3, 1, 1, 3), notes), "");
  EXPECT_EQ(command.options[3], (GivenOption{"n_samples", "2"}));
  EXPECT_EQ(command.options[5], (GivenOption{"only", "3"}));
}

TEST(WithoutList, BatchesOfUnequalSizeNeedAsManyLines) {
  auto command = of_list("-", {{"sprompt", "a dog"}});
  auto swap = settings(4, 3, 0, 0, 3);
  swap["swap"]["source"] = "a dog's";
  EXPECT_EQ(draw_without_list(command, swap, notes),
            "yes -- $'a dog\\'s\\011a cat' | head -n 4 | ");
  EXPECT_FALSE(command.has("sprompt"));
  EXPECT_EQ(command.options[2], (GivenOption{"from-file", "-"}));
  EXPECT_EQ(command.options[3], (GivenOption{"only", "3"}));
}

TEST(WithoutList, PicturesWithSeedsOfTheirOwnMoveTheSeed) {
  auto command = of_list("-", {{"variation", "18446744073709551615:0.25"}});
  auto own = settings(4, 3, 0, 0, 3);
  own["seed_mode"] = "image";
  EXPECT_EQ(draw_without_list(command, own, notes), "");
  EXPECT_EQ(command.options[2], (GivenOption{"seed", "12"}));
  EXPECT_EQ(command.options[3], (GivenOption{"variation", "2:0.25"}));
  EXPECT_EQ(command.options.back(), (GivenOption{"only", "0"}));
}

TEST(WithoutList, ASwapGetsItsSourceBack) {
  auto command = of_list("-");
  auto swap = settings(2, 1, 0, 0, 0);
  swap["swap"]["source"] = "a dog";
  draw_without_list(command, swap, notes);
  EXPECT_EQ(command.options[0], (GivenOption{"sprompt", "a dog"}));
  EXPECT_EQ(command.options[1], (GivenOption{"prompt", "a cat"}));
}

}  // namespace
}  // namespace sd::cli
