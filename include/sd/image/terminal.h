#pragma once

#include <cstdint>
#include <string>

#include "sd/image/image.h"

namespace sd {

/// How a terminal takes pictures: kitty's graphics protocol (kitty, Ghostty, Konsole, WezTerm),
/// iTerm2's inline images (iTerm2, WezTerm, mintty) or sixels (xterm -ti vt340, foot, mlterm,
/// Windows Terminal).
enum class TerminalGraphics { kKitty, kIterm, kSixel };

/// What to write to a terminal so that it shows `image` (1 or 3 channels) with its upper left
/// corner at the cursor. Kitty and iTerm2 scale it to `rows` lines of text, sixels are shown pixel
/// by pixel in 216 colours. A picture shown by kitty takes the place of the one before it. The
/// cursor stays where it is with kitty and moves with the others. Throws UsageError for a picture
/// that contradicts itself or rows < 1.
std::string terminal_picture(TerminalGraphics graphics, const Image& image, int64_t rows);

}  // namespace sd
