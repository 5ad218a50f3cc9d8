// What terminals are sent, read back as they would read it.
#include <cctype>
#include <cmath>
#include <map>
#include <string_view>

#include "image/fixtures.h"
#include "sd/core/error.h"
#include "sd/image/read.h"
#include "sd/image/terminal.h"

namespace sd {
namespace {

using test::load_expected;

/// RFC 4648, strictly.
std::vector<std::byte> from_base64(std::string_view text) {
  EXPECT_EQ(text.size() % 4, 0u);
  const std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    uint32_t group = 0;
    int count = 0;
    for (const char c : text.substr(at, 4)) {
      const auto value = alphabet.find(c);
      EXPECT_TRUE(value != std::string_view::npos || (c == '=' && at + 4 == text.size()));
      group = group << 6 | (c == '=' ? 0 : static_cast<uint32_t>(value));
      if (c != '=') ++count;
    }
    for (int i = 0; i < count - 1; ++i)
      bytes.push_back(static_cast<std::byte>(group >> (16 - 8 * i)));
  }
  return bytes;
}

Image noise_picture(int64_t width, int64_t height) {
  Image image{width, height, 3, {}};
  uint32_t state = 7;
  for (int64_t i = 0; i < width * height * 3; ++i) {
    state = state * 1664525 + 1013904223;
    image.pixels.push_back(static_cast<uint8_t>(state >> 24));
  }
  return image;
}

TEST(Kitty, SendsAPngInPiecesThatReplaceThePictureBefore) {
  const auto image = noise_picture(64, 48);  // some 12 kB: several pieces
  std::string_view rest = "";
  const auto sent = terminal_picture(TerminalGraphics::kKitty, image, 12);
  rest = sent;
  std::string payload;
  std::size_t pieces = 0;
  while (!rest.empty()) {
    ASSERT_TRUE(rest.starts_with("\x1b_G"));
    const auto end = rest.find("\x1b\\"), semicolon = rest.find(';');
    ASSERT_NE(end, std::string_view::npos);
    const auto keys = rest.substr(3, semicolon - 3);
    const auto piece = rest.substr(semicolon + 1, end - semicolon - 1);
    EXPECT_EQ(keys.starts_with("a=T,f=100,i="), pieces == 0) << keys;
    EXPECT_EQ(keys.find(",p=1,q=2,C=1,r=12,") != std::string_view::npos, pieces == 0) << keys;
    rest.remove_prefix(end + 2);
    EXPECT_TRUE(keys.ends_with(rest.empty() ? "m=0" : "m=1")) << keys;
    EXPECT_LE(piece.size(), 4096u);
    EXPECT_TRUE(rest.empty() || piece.size() % 4 == 0);
    payload += piece;
    ++pieces;
  }
  EXPECT_GT(pieces, 1u);
  EXPECT_EQ(decode_image(from_base64(payload)).pixels, image.pixels);
}

TEST(Iterm, SendsAPngInOnePiece) {
  const auto image = noise_picture(5, 3);
  const auto sent = terminal_picture(TerminalGraphics::kIterm, image, 9);
  const auto colon = sent.find(':');
  const auto png = from_base64(std::string_view(sent).substr(colon + 1, sent.size() - colon - 2));
  EXPECT_EQ(sent.substr(0, colon), "\x1b]1337;File=inline=1;size=" + std::to_string(png.size()) +
                                       ";height=9;preserveAspectRatio=1");
  EXPECT_TRUE(sent.ends_with('\a'));
  EXPECT_EQ(decode_image(png).pixels, image.pixels);
}

/// Draws sixels as a VT340 does, into RGB.
class SixelScreen {
 public:
  SixelScreen(int64_t width, int64_t height) : image_{width, height, 3, {}} {
    image_.pixels.resize(static_cast<std::size_t>(width * height * 3));
  }
  void draw(std::string_view sixels) {
    rest_ = sixels;
    while (!rest_.empty()) {
      const char c = next();
      if (c == '#')
        colour();
      else if (c == '!') {
        const auto count = number();
        put(next(), count);
      } else if (c == '$')
        x_ = 0;
      else if (c == '-') {
        x_ = 0;
        top_ += 6;
      } else
        put(c, 1);
    }
  }
  const Image& image() const { return image_; }

 private:
  char next() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  int64_t number() {
    int64_t value = 0;
    while (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_.front())) != 0)
      value = value * 10 + next() - '0';
    return value;
  }
  void colour() {
    current_ = number();
    if (rest_.empty() || rest_.front() != ';') return;
    std::vector<int64_t> values;
    while (!rest_.empty() && rest_.front() == ';') {
      next();
      values.push_back(number());
    }
    ASSERT_EQ(values.size(), 4u);
    ASSERT_EQ(values[0], 2);
    palette_[current_] = {values[1], values[2], values[3]};
  }
  void put(char c, int64_t count) {
    ASSERT_TRUE(c >= '?' && c <= '~') << c;
    for (; count > 0; --count, ++x_) {
      for (int64_t row = 0; row < 6; ++row) {
        if (((c - '?') >> row & 1) == 0) continue;
        ASSERT_LT(x_, image_.width);
        ASSERT_LT(top_ + row, image_.height);
        for (std::size_t channel = 0; channel < 3; ++channel) {
          image_
              .pixels[static_cast<std::size_t>(((top_ + row) * image_.width + x_) * 3) + channel] =
              static_cast<uint8_t>(palette_.at(current_)[channel] * 255 / 100);
        }
      }
    }
  }

  Image image_;
  std::string_view rest_;
  std::map<int64_t, std::vector<int64_t>> palette_;
  int64_t current_ = 0, x_ = 0, top_ = 0;
};

TEST(Sixel, OfOneWhitePixelIsTheseBytes) {
  EXPECT_EQ(terminal_picture(TerminalGraphics::kSixel, {1, 1, 3, {255, 255, 255}}, 1),
            "\x1bP0;1;0q\"1;1;1;1#215;2;100;100;100#215@$-\x1b\\");
}

TEST(Sixel, DrawsThePictureWithinALevel) {
  const auto image = load_expected("rgb.png");  // 23x17: the last band has 5 rows
  const auto sent = terminal_picture(TerminalGraphics::kSixel, image, 4);
  const std::string begin = "\x1bP0;1;0q\"1;1;23;17";
  ASSERT_TRUE(sent.starts_with(begin));
  ASSERT_TRUE(sent.ends_with("\x1b\\"));
  SixelScreen screen(image.width, image.height);
  screen.draw(std::string_view(sent).substr(begin.size(), sent.size() - begin.size() - 2));
  double sum = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const double error = screen.image().pixels[i] - image.pixels[i];
    ASSERT_LT(std::abs(error), 51.0) << i;  // a level of 255 / 5
    sum += error;
  }
  EXPECT_LT(std::abs(sum / static_cast<double>(image.pixels.size())), 4.0);
}

TEST(Sixel, RunsAreCounted) {
  const auto sent =
      terminal_picture(TerminalGraphics::kSixel, {40, 1, 3, std::vector<uint8_t>(120, 0)}, 1);
  EXPECT_NE(sent.find("#0!40@$-"), std::string::npos);
}

TEST(Terminal, TakesGreyAndRefusesNoLines) {
  for (const auto graphics :
       {TerminalGraphics::kKitty, TerminalGraphics::kIterm, TerminalGraphics::kSixel}) {
    EXPECT_FALSE(terminal_picture(graphics, load_expected("grey.png"), 1).empty());
    EXPECT_THROW(terminal_picture(graphics, load_expected("grey.png"), 0), UsageError);
    EXPECT_THROW(terminal_picture(graphics, {2, 2, 3, {}}, 1), UsageError);
  }
}

}  // namespace
}  // namespace sd
