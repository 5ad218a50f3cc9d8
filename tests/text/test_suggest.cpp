#include <gtest/gtest.h>

#include <vector>

#include "text/suggest.h"

namespace sd {
namespace {

const std::vector<std::string> kOptions = {"--ddim_steps", "--ddim_eta", "--n_samples",
                                           "--negative-prompt", "--seed"};

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", "abc"), 0u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("seed", "sede"), 1u);
}

TEST(Nearest, FindsTheOptionThatWasMeant) {
  EXPECT_EQ(nearest("--ddim_step", kOptions), "--ddim_steps");
  EXPECT_EQ(nearest("--sede", kOptions), "--seed");
}

TEST(Nearest, TakesDashesForUnderscores) {
  EXPECT_EQ(nearest("--n-sample", kOptions), "--n_samples");
}

TEST(Nearest, AcceptsTheBeginningOfExactlyOne) {
  EXPECT_EQ(nearest("--neg", kOptions), "--negative-prompt");
  EXPECT_EQ(nearest("--ddim", kOptions), std::nullopt);
}

TEST(Nearest, SuggestsNothingForSomethingElse) {
  EXPECT_EQ(nearest("--flamingo", kOptions), std::nullopt);
  EXPECT_EQ(nearest("", kOptions), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'x'), kOptions), std::nullopt);
}

}  // namespace
}  // namespace sd
