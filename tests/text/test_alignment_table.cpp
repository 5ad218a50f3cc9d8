#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "sd/text/alignment_table.h"
#include "sd/text/clip_tokenizer.h"

namespace sd {
namespace {

constexpr auto kFork = AlignmentMode::kFork;
constexpr auto kReplace = AlignmentMode::kReplace;
constexpr auto kRefine = AlignmentMode::kRefine;

std::vector<AlignmentRow> rows_of(AlignmentMode mode, std::string_view source,
                                  std::string_view target) {
  const auto& clip = ClipTokenizer::instance();
  const auto source_tokens = clip.encode(source);
  const auto target_tokens = clip.encode(target);
  return describe_alignment(mode, {source, source_tokens}, {target, target_tokens},
                            [&](int64_t id) { return clip.decode(id); });
}

/// "source > target action" of every row but the first, which is the start's.
std::vector<std::string> table(AlignmentMode mode, std::string_view source,
                               std::string_view target) {
  std::vector<std::string> lines;
  for (const auto& row : rows_of(mode, source, target)) {
    lines.push_back(fmt::format("{} > {} {}", row.source, row.target, name_of(row.action)));
  }
  EXPECT_EQ(lines.front(), "<|startoftext|> > <|startoftext|> kept");
  lines.erase(lines.begin());
  return lines;
}

using Lines = std::vector<std::string>;

TEST(AlignmentTable, ShowsWordsReplacedInEveryMode) {
  const Lines replaced = {"a > a kept", "cat > dog replaced", "<|endoftext|> > <|endoftext|> kept",
                          "padding \u00d773 > padding \u00d773 kept"};
  EXPECT_EQ(table(kFork, "a cat", "a dog"), replaced);
  EXPECT_EQ(table(kReplace, "a cat", "a dog"), replaced);
  EXPECT_EQ(table(kRefine, "a cat", "a dog"), (Lines{"a > a kept", "cat >  dropped", " > dog own",
                                                     "<|endoftext|> > <|endoftext|> kept",
                                                     "padding \u00d773 > padding \u00d773 kept"}));
}

TEST(AlignmentTable, ShowsAnInsertedWordAsItsOwn) {
  for (const auto mode : {kFork, kRefine}) {
    const auto lines = table(mode, "a cat", "a black cat");
    EXPECT_EQ(Lines(lines.begin(), lines.begin() + 4),
              (Lines{"a > a kept", " > black own", "cat > cat kept",
                     "<|endoftext|> > <|endoftext|> kept"}));
  }
}

TEST(AlignmentTable, ShowsDroppedWordsAndTheForksUnmappedPadding) {
  EXPECT_EQ(table(kFork, "a big black cat", "a cat"),
            (Lines{"a > a kept", "big >  dropped", "black >  dropped", "cat > cat kept",
                   "<|endoftext|> > <|endoftext|> kept", "padding \u00d771 > padding \u00d771 kept",
                   " > padding \u00d72 own"}));
}

TEST(AlignmentTable, ShowsRefinedPaddingThatTakesAWordOfALongerSource) {
  EXPECT_EQ(table(kRefine, "a big cat", "a"),
            (Lines{"a > a kept", "big >  dropped", "<|endoftext|> > <|endoftext|> kept",
                   "cat > padding replaced", "padding \u00d773 > padding \u00d773 kept"}));
}

TEST(AlignmentTable, ShowsWordsOfOtherTokenCountsAveraged) {
  EXPECT_EQ(
      table(kReplace, "a red cat", "a tiger-striped cat"),
      (Lines{"a > a kept", "red > tiger - striped averaged", "cat > cat kept",
             "<|endoftext|> > <|endoftext|> kept", "padding \u00d772 > padding \u00d770 kept"}));
  EXPECT_EQ(table(kReplace, "a tiger-striped cat", "a red cat")[1],
            "tiger - striped > red averaged");
}

TEST(AlignmentTable, AnEmptyPromptHasStartEndAndPadding) {
  EXPECT_EQ(table(kFork, "", "a"), (Lines{" > a own", "<|endoftext|> > <|endoftext|> kept",
                                          "padding \u00d774 > padding \u00d774 kept"}));
}

TEST(AlignmentTable, PartsOfCharactersStayReadable) {
  const auto rows = rows_of(kFork, "\u05e9", "\u05e9 cat");  // one letter, a byte in each token
  EXPECT_EQ(rows[1].source, "\ufffd");
  EXPECT_EQ(rows[2].target, "\ufffd");
  EXPECT_EQ(rows[3].target, "cat");
}

TEST(AlignmentTable, EveryTargetPositionStandsInOneRow) {
  for (const auto mode : {kFork, kReplace, kRefine}) {
    std::vector<int64_t> seen(77);
    for (const auto& row :
         rows_of(mode, "old tiger-striped cat on a mat", "a photo on the red mat")) {
      for (const int64_t n : row.target_positions) ++seen[static_cast<std::size_t>(n)];
    }
    EXPECT_EQ(seen, std::vector<int64_t>(77, 1));
  }
}

TEST(AlignmentTable, ReplacementOfOtherWordCountsIsAnError) {
  EXPECT_THROW(rows_of(kReplace, "a cat", "cat"), UsageError);
}

}  // namespace
}  // namespace sd
