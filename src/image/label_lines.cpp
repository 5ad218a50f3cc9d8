#include "image/label_lines.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "image/unicode.h"

namespace sd {
namespace {

constexpr std::string_view kEllipsis = "…";
constexpr std::size_t kMostLines = 6;         // of a text that may be shortened
constexpr std::size_t kMostMarkedLines = 40;  // of one whose marks alone need more
constexpr Colour kMarkColour{176, 0, 32};

/// What stands between blanks. A word that begins a line of its own has `breaks`.
struct Word {
  TextLine runs;
  bool breaks = false;

  bool marked() const {
    return std::ranges::any_of(runs, [](const TextRun& run) { return run.marked; });
  }
};

/// Bytes [begin, end) of a label, cut where a mark begins or ends.
TextLine runs_of(const Label& label, std::size_t begin, std::size_t end) {
  TextLine runs;
  const auto put = [&](std::size_t to, bool marked) {
    to = std::min(to, end);
    if (to > begin) runs.push_back({label.text.substr(begin, to - begin), marked});
    begin = std::max(begin, to);
  };
  for (const auto& mark : label.marks) {
    if (mark.end <= begin) continue;
    put(mark.begin, false);
    put(mark.end, true);
  }
  put(end, false);
  return runs;
}

std::vector<Word> words_of(const Label& label) {
  std::vector<Word> words;
  const auto& text = label.text;
  bool breaks = false;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ' || text[at] == '\n') {
      breaks |= text[at++] == '\n';
      continue;
    }
    const auto end = std::min(text.find_first_of(" \n", at), text.size());
    words.push_back({runs_of(label, at, end), std::exchange(breaks, false)});
    at = end;
  }
  return words;
}

/// A word in pieces that fit a line.
std::vector<Word> broken(const Word& word, int64_t width) {
  if (line_width(word.runs) <= width) return {word};
  std::vector<Word> pieces(1);
  pieces.front().breaks = word.breaks;
  int64_t used = 0;
  for (const auto& [text, marked] : word.runs) {
    std::size_t begin = 0;
    for (const auto& [code, end] : decode_text(text)) {
      const auto character = text.substr(begin, end - begin);
      begin = end;
      const int64_t wide = text_width(character);
      auto* line = &pieces.back().runs;
      if (used + wide > width && !line->empty()) {
        line = &pieces.emplace_back().runs;
        used = 0;
      }
      used += wide;
      if (line->empty() || line->back().marked != marked) line->push_back({"", marked});
      line->back().text += character;
    }
  }
  return pieces;
}

void append(TextLine& line, const TextLine& runs) {
  for (const auto& run : runs) {
    const bool goes_on = !line.empty() && line.back().marked == run.marked;
    if (goes_on) {
      line.back().text += run.text;
    } else {
      line.push_back(run);
    }
  }
}

std::vector<TextLine> filled(const std::vector<Word>& words, int64_t width) {
  std::vector<TextLine> lines;
  const int64_t blank = text_width(" ");
  int64_t used = 0;
  for (const auto& word : words) {
    bool first = true;  // the next piece follows without a blank
    for (const auto& piece : broken(word, width)) {
      const int64_t wide = line_width(piece.runs);
      const bool fits = !lines.empty() && first && !piece.breaks && used + blank + wide <= width;
      if (fits) {
        // A blank between two marked words belongs to the mark, so that its line goes through.
        const bool inside = lines.back().back().marked && piece.runs.front().marked;
        append(lines.back(), {{" ", inside}});
        used += blank;
      } else {
        lines.emplace_back();
        used = 0;
      }
      append(lines.back(), piece.runs);
      used += wide;
      first = false;
    }
  }
  return lines;
}

/// Leaves out unmarked words that are more than `context` words away from a marked one.
std::vector<Word> near_marks(const std::vector<Word>& words, std::size_t context) {
  std::vector<char> kept(words.size(), 0);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].marked()) continue;
    const std::size_t first = i - std::min(i, context);
    const std::size_t last = std::min(words.size() - 1, i + context);
    std::fill(kept.begin() + static_cast<std::ptrdiff_t>(first),
              kept.begin() + static_cast<std::ptrdiff_t>(last) + 1, 1);
  }
  std::vector<Word> near;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (kept[i] != 0) {
      near.push_back(words[i]);
    } else if (i == 0 || kept[i - 1] != 0) {
      near.push_back({{{std::string(kEllipsis), false}}, false});
    }
  }
  return near;
}

/// The first lines, the last of them with an ellipsis behind what fits.
std::vector<TextLine> cut(std::vector<TextLine> lines, std::size_t most, int64_t width) {
  if (lines.size() <= most) return lines;
  lines.resize(most);
  auto& last = lines.back();
  const int64_t room = width - text_width(kEllipsis);
  while (!last.empty() && line_width(last) > room) {
    auto& text = last.back().text;
    // "…" comes with what shortened_text leaves.
    const int64_t before = line_width(last) - text_width(text);
    auto shorter = shortened_text(text, width - before);
    if (shorter.empty() || shorter == text || shorter == kEllipsis) {
      last.pop_back();
      continue;
    }
    text = std::move(shorter);
    return lines;
  }
  append(last, {{std::string(kEllipsis), false}});
  return lines;
}

/// A line of one pixel's height; the picture is RGB.
void underline(Image& rgb, int64_t left, int64_t right, int64_t y, Colour colour) {
  if (y < 0 || y >= rgb.height) return;
  for (int64_t x = std::max<int64_t>(left, 0); x < std::min(right, rgb.width); ++x) {
    const auto pixel = rgb.pixels.begin() + (y * rgb.width + x) * 3;
    pixel[0] = colour.red;
    pixel[1] = colour.green;
    pixel[2] = colour.blue;
  }
}

}  // namespace

int64_t line_width(const TextLine& line) {
  int64_t width = 0;
  for (const auto& run : line) width += text_width(run.text);
  return width;
}

int64_t natural_width(const Label& label) {
  int64_t width = 0;
  std::string_view rest = label.text;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    width = std::max(width, text_width(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return width;
}

std::vector<TextLine> lines_of(const Label& label, int64_t width) {
  if (text_width(kEllipsis) > width) return {};
  const auto words = words_of(label);
  auto lines = filled(words, width);
  if (lines.size() <= kMostLines) return lines;
  if (std::ranges::none_of(words, &Word::marked)) return cut(std::move(lines), kMostLines, width);
  for (const std::size_t context : {8, 4, 2, 1, 0}) {
    lines = filled(near_marks(words, context), width);
    if (lines.size() <= kMostLines) return lines;
  }
  return cut(std::move(lines), kMostMarkedLines, width);
}

void draw_lines(Image& image, int64_t x, int64_t y, int64_t width,
                const std::vector<TextLine>& lines) {
  for (const auto& line : lines) {
    int64_t left = x + (width - line_width(line)) / 2;
    for (const auto& run : line) {
      draw_text(image, left, y, run.text, run.marked ? kMarkColour : Colour{});
      const int64_t end = left + text_width(run.text);
      if (run.marked) underline(image, left, end, y + text_height() - 2, kMarkColour);
      left = end;
    }
    y += text_height();
  }
}

}  // namespace sd
