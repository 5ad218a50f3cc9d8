#include "cli/draw/preview_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <variant>

#include "sd/core/atomic_file.h"
#include "sd/image/png.h"
#include "sd/image/resize.h"

namespace sd::cli {
namespace {

/// A terminal in lines and columns of text, and the pixels that a character takes.
struct TerminalSize {
  int64_t rows = 24;
  int64_t columns = 80;
  int64_t cell_width =
      8;  // where the terminal does not tell: usual, and only the scale hangs on it
  int64_t cell_height = 16;
};

TerminalSize terminal_size() {
  TerminalSize size;
  winsize told{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &told) != 0 || told.ws_row == 0 || told.ws_col == 0) {
    return size;
  }
  size.rows = told.ws_row;
  size.columns = told.ws_col;
  if (told.ws_xpixel >= told.ws_col) size.cell_width = told.ws_xpixel / told.ws_col;
  if (told.ws_ypixel >= told.ws_row) size.cell_height = told.ws_ypixel / told.ws_row;
  return size;
}

/// Lines for a picture: half of the terminal, fewer where its width would not fit.
int64_t rows_for(const Image& picture, const TerminalSize& size) {
  const int64_t by_width =
      size.columns * size.cell_width * picture.height / picture.width / size.cell_height;
  return std::max<int64_t>(1, std::min(size.rows / 2, by_width));
}

}  // namespace

PreviewDisplay::PreviewDisplay(const PictureOptions& options)
    : target_(*options.preview), every_(options.preview_every.value_or(kDefaultPreviewEvery)) {}

bool PreviewDisplay::wants(int64_t done, int64_t total) const {
  return done == total || done % every_ == 0;
}

void PreviewDisplay::show(const Image& picture) {
  if (const auto* file = std::get_if<std::filesystem::path>(&target_)) {
    write_file(*file, encode_png(picture), /*overwrite=*/true);
  } else {
    show_on_terminal(std::get<TerminalGraphics>(target_), picture);
  }
}

void PreviewDisplay::show_on_terminal(TerminalGraphics graphics, const Image& picture) {
  const auto size = terminal_size();
  std::string out;
  if (rows_ == 0) {
    // The lines are made first: were the screen to scroll while a picture is drawn, the way back
    // up would be another one.
    rows_ = rows_for(picture, size);
    out.append(static_cast<std::size_t>(rows_), '\n');
  }
  const int64_t height = rows_ * size.cell_height;
  const auto scaled = resize(picture, std::max<int64_t>(1, picture.width * height / picture.height),
                             height, Filter::kBicubic);
  // Save the cursor, go up, draw, come back.
  out += fmt::format(
      "\x1b"
      "7\x1b[{}A\r{}\x1b"
      "8",
      rows_, terminal_picture(graphics, scaled, rows_));
  std::fwrite(out.data(), 1, out.size(), stderr);
  std::fflush(stderr);
}

}  // namespace sd::cli
