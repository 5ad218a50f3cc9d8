#include <algorithm>
#include <numeric>

#include "image/fixtures.h"
#include "sd/image/label.h"
#include "sd/image/read.h"

namespace sd {
namespace {

Image solid(int64_t width, int64_t height, int64_t channels, uint8_t value) {
  return {width, height, channels,
          std::vector<uint8_t>(static_cast<std::size_t>(width * height * channels), value)};
}

/// The picture with `text` on it, black on white.
Image written(std::string_view text) {
  auto page = solid(200, 24, 1, 255);
  draw_text(page, 2, 2, text);
  return page;
}

/// Sum of what the letters took from the white.
int64_t ink(const Image& image) {
  return std::accumulate(image.pixels.begin(), image.pixels.end(), int64_t{0},
                         [](int64_t sum, uint8_t value) { return sum + 255 - value; });
}

TEST(TextWidth, IsTheSumOfItsLetters) {
  EXPECT_EQ(text_width(""), 0);
  EXPECT_GT(text_width("W"), text_width("i"));
  EXPECT_EQ(text_width("Wiÿβж"), text_width("W") + text_width("i") + text_width("ÿ") +
                                     text_width("β") + text_width("ж"));
}

TEST(DrawText, LettersOfEveryPromisedAlphabetAreDrawn) {
  const auto box = written("日").pixels;
  for (const auto* letter : {"A", "~", "é", "Ł", "ș", "λ", "Ώ", "Ж", "ё", "…", "−", "→", "“"}) {
    EXPECT_GT(ink(written(letter)), 0) << letter;
    EXPECT_NE(written(letter).pixels, box) << letter;
  }
}

TEST(DrawText, MissingCharactersAreBoxesAndBrokenBytesMarks) {
  EXPECT_GT(ink(written("日")), 0);
  EXPECT_EQ(written("日").pixels, written("\xF0\x9F\x8D\x8E").pixels);  // an apple
  EXPECT_EQ(written("a\xFFz").pixels, written("a\uFFFDz").pixels);
  EXPECT_NE(written("\xFF").pixels, written("日").pixels);
}

TEST(DrawText, ControlCharactersAreBlanks) {
  EXPECT_EQ(written("a\nb\tc").pixels, written("a b c").pixels);
  EXPECT_EQ(ink(written(std::string_view("\0\x7F\xC2\x85", 4))), 0);
}

TEST(DrawText, TheColourIsReachedWhereALetterCovers) {
  auto page = solid(40, 20, 4, 0);
  draw_text(page, 0, 0, "Mll", {10, 200, 30});
  bool reached = false;
  for (std::size_t i = 0; i < page.pixels.size(); i += 4) {
    reached |= std::equal(page.pixels.begin() + static_cast<std::ptrdiff_t>(i),
                          page.pixels.begin() + static_cast<std::ptrdiff_t>(i) + 4,
                          std::vector<uint8_t>{10, 200, 30, 255}.begin());
  }
  EXPECT_TRUE(reached);
}

TEST(DrawText, WhatLiesOutsideIsCutOff) {
  auto whole = solid(60, 30, 1, 255);
  draw_text(whole, 10, 5, "Hxg");
  auto part = solid(20, 10, 1, 255);
  draw_text(part, -5, -5, "Hxg");  // the same, 15 to the left and 10 up
  for (int64_t y = 0; y < 10; ++y) {
    for (int64_t x = 0; x < 20; ++x) {
      EXPECT_EQ(part.pixels[static_cast<std::size_t>(y * 20 + x)],
                whole.pixels[static_cast<std::size_t>((y + 10) * 60 + x + 15)]);
    }
  }
  for (const int64_t far : {INT64_MIN, int64_t{-1000}, int64_t{1000}, INT64_MAX}) {
    auto page = solid(5, 5, 3, 255);
    draw_text(page, far, 0, "x");
    draw_text(page, 0, far, "x");
    EXPECT_EQ(ink(page), 0) << far;
  }
  auto damaged = Image{5, 5, 3, {}};
  EXPECT_THROW(draw_text(damaged, 0, 0, "x"), UsageError);
}

TEST(ShortenedText, KeepsWhatFits) {
  EXPECT_EQ(shortened_text("house", text_width("house")), "house");
  const auto shorter = shortened_text("snowy house", text_width("snowy house") - 1);
  EXPECT_TRUE(shorter.ends_with("…"));
  EXPECT_LT(text_width(shorter), text_width("snowy house"));
  EXPECT_TRUE(shorter.starts_with("snowy hou"));
}

TEST(ShortenedText, CutsBetweenCharactersAndDropsBlanks) {
  EXPECT_EQ(shortened_text("жжж", text_width("ж…")), "ж…");
  EXPECT_EQ(shortened_text("a house", text_width("a …")), "a…");
  EXPECT_EQ(shortened_text("house", text_width("…")), "…");
  EXPECT_EQ(shortened_text("house", 1), "");
  EXPECT_EQ(shortened_text("house", -1), "");
}

TEST(Captioned, AddsAStripBelow) {
  const auto picture = solid(50, 20, 1, 9);
  const auto labelled = captioned(picture, "cat");
  EXPECT_EQ(labelled.width, 50);
  EXPECT_EQ(labelled.channels, 3);
  EXPECT_GE(labelled.height, 20 + text_height());
  EXPECT_TRUE(std::all_of(labelled.pixels.begin(), labelled.pixels.begin() + 50 * 20 * 3,
                          [](uint8_t value) { return value == 9; }));
  EXPECT_TRUE(std::any_of(labelled.pixels.begin() + 50 * 20 * 3, labelled.pixels.end(),
                          [](uint8_t value) { return value < 128; }));
}

TEST(Captioned, ANarrowPictureKeepsItsSizeAndLosesTheText) {
  EXPECT_EQ(captioned(solid(1, 1, 3, 0), "cat").width, 1);
}

TEST(LabelledSheet, WithoutTextTakesNoSpaceForIt) {
  const auto cell = solid(30, 20, 3, 0);
  const auto sheet = labelled_sheet({{cell, ""}, {cell, ""}, {cell, ""}}, 2);
  EXPECT_EQ(sheet.width, 8 + 2 * (30 + 8));
  EXPECT_EQ(sheet.height, 8 + 2 * (20 + 8));
  EXPECT_EQ(ink(sheet), 3 * 30 * 20 * 3 * 255);
}

TEST(LabelledSheet, TextsAddToItsSides) {
  const auto cell = solid(130, 20, 3, 0);
  const auto plain = labelled_sheet({{cell, ""}, {cell, ""}}, 2);
  const auto captions = labelled_sheet({{cell, "a"}, {cell, ""}}, 2);
  EXPECT_EQ(captions.width, plain.width);
  EXPECT_EQ(captions.height, plain.height + text_height() + 6);
  const auto labels = labelled_sheet({{cell, ""}, {cell, ""}}, 2, {{"row"}, {"one", "two"}});
  EXPECT_EQ(labels.width, plain.width + text_width("row") + 8);
  EXPECT_EQ(labels.height, plain.height + text_height() + 6);
}

TEST(LabelledSheet, SmallPicturesGetRoomForTheirCaptions) {
  const auto cell = solid(16, 16, 3, 0);
  EXPECT_EQ(labelled_sheet({{cell, "mountain"}}, 1).width, 8 + text_width("mountain") + 8);
  const auto long_caption = std::string(1000, 'm');
  EXPECT_EQ(labelled_sheet({{cell, long_caption}}, 1).width, 8 + 112 + 8);
}

/// How many pixels have the colour of what is marked: red, and little else.
int64_t marked_pixels(const Image& sheet) {
  int64_t count = 0;
  for (std::size_t i = 0; i < sheet.pixels.size(); i += 3) {
    count += sheet.pixels[i] > 150 && sheet.pixels[i + 1] < 40 && sheet.pixels[i + 2] < 80;
  }
  return count;
}

/// A caption of `words` words whose last one is marked.
Label marked_at_its_end(int words, const std::string& last) {
  std::string text;
  for (int i = 1; i < words; ++i) text += "word ";
  return {text + last, {{text.size(), text.size() + last.size()}}};
}

TEST(LabelledSheet, LongCaptionsTakeSeveralLines) {
  const auto cell = solid(130, 20, 3, 0);
  const auto one = labelled_sheet({{cell, "a car"}}, 1);
  const auto two = labelled_sheet({{cell, "a red car on a white background"}}, 1);
  EXPECT_EQ(two.width, one.width);
  EXPECT_EQ((two.height - one.height) % text_height(), 0);
  EXPECT_GT(two.height, one.height);
  EXPECT_EQ(labelled_sheet({{cell, "a\ncar"}}, 1).height, one.height + text_height());
}

TEST(LabelledSheet, TextsOfOneRowStandAtTheSameHeight) {
  const auto cell = solid(130, 20, 3, 0);
  const auto sheet = labelled_sheet({{cell, "a\nb"}, {cell, "a"}}, 2);
  const auto row = [&](int64_t y, int64_t left) {
    const auto from = sheet.pixels.begin() + (y * sheet.width + left) * 3;
    return std::vector<uint8_t>(from, from + 130 * 3);
  };
  for (int64_t y = 28; y < 28 + 3 + text_height(); ++y) EXPECT_EQ(row(y, 8), row(y, 8 + 138)) << y;
}

TEST(LabelledSheet, MarkedWordsAreColouredAndOthersAreNot) {
  const auto cell = solid(130, 20, 3, 0);
  EXPECT_EQ(marked_pixels(labelled_sheet({{cell, "a red car"}}, 1)), 0);
  const Label label("a red car", {{2, 5}});
  EXPECT_GE(marked_pixels(labelled_sheet({{cell, label}}, 1)),
            text_width("red"));  // its line alone
}

TEST(LabelledSheet, MarkedWordsAreSeenHoweverLongTheTextIs) {
  const auto cell = solid(130, 20, 3, 0);
  const auto cat = labelled_sheet({{cell, marked_at_its_end(200, "cat")}}, 1);
  const auto dog = labelled_sheet({{cell, marked_at_its_end(200, "dog")}}, 1);
  EXPECT_GE(marked_pixels(cat), text_width("cat"));
  EXPECT_NE(cat.pixels, dog.pixels);
  EXPECT_LT(cat.height, 20 + 10 * text_height());  // the rest is left out
  // Wider than a line: in pieces.
  const Label wide(std::string(60, 'm'), {{0, 60}});
  EXPECT_GE(marked_pixels(labelled_sheet({{cell, wide}}, 1)), 60 * text_width("m"));
}

TEST(LabelledSheet, LabelsOfRowsAndColumnsAreMarkedToo) {
  const auto cell = solid(130, 20, 3, 0);
  const Label label = marked_at_its_end(30, "cat");
  EXPECT_GT(marked_pixels(labelled_sheet({{cell, ""}}, 1, {{label}, {}})), 0);
  EXPECT_GT(marked_pixels(labelled_sheet({{cell, ""}}, 1, {{}, {label}})), 0);
}

TEST(WithKey, PutsABarBetweenItsEndsBelow) {
  const auto picture = solid(300, 20, 3, 255), bar = solid(100, 10, 3, 100);
  const auto keyed = with_key(picture, "0 %", bar, "43 %");
  EXPECT_EQ(keyed.width, 300);
  EXPECT_GE(keyed.height, 20 + text_height());
  EXPECT_EQ(std::count(keyed.pixels.begin(), keyed.pixels.end(), 100), 100 * 10 * 3);
  // A picture that is narrower than its bar gets room for it.
  EXPECT_GT(with_key(solid(20, 20, 3, 0), "0 %", bar, "43 %").width, 100);
}

TEST(LabelledSheet, ACellWithoutPictureStaysWhite) {
  const auto cell = solid(30, 20, 3, 0);
  EXPECT_EQ(ink(labelled_sheet({{{}, ""}, {cell, ""}}, 2)), 30 * 20 * 3 * 255);
}

TEST(LabelledSheet, WhatCannotBeASheetIsRefused) {
  const auto cell = solid(30, 20, 3, 0);
  EXPECT_THROW(labelled_sheet({}, 1), UsageError);
  EXPECT_THROW(labelled_sheet({{{}, "only blank"}}, 1), UsageError);
  EXPECT_THROW(labelled_sheet({{cell, ""}}, 0), UsageError);
  EXPECT_THROW(labelled_sheet({{cell, ""}, {solid(30, 21, 3, 0), ""}}, 1), UsageError);
  EXPECT_THROW(labelled_sheet({{{30, 20, 3, {}}, ""}}, 1), UsageError);
  EXPECT_THROW(labelled_sheet({{cell, ""}}, 1, {{"a", "b"}, {}}), UsageError);
  EXPECT_THROW(labelled_sheet({{cell, ""}}, 5, {{}, {"a", "b"}}), UsageError);
  // One picture is within the limit, a thousand blanks of its size are not.
  std::vector<LabelledImage> cells(1000);
  cells[0].image = solid(1000000, 1, 1, 0);
  EXPECT_THROW(labelled_sheet(cells, 1000), UsageError);
}

}  // namespace
}  // namespace sd
