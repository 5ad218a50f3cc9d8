#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "sd/image/image.h"

namespace sd {

/// A text chunk; `text` is UTF-8 here. It is written as tEXt, which holds Latin-1, or else as iTXt.
/// Other programs write UTF-8 into tEXt, and it is read as UTF-8 there; so a text whose Latin-1
/// bytes are another text in UTF-8 is written as iTXt.
struct PngText {
  std::string keyword;
  std::string text;
};

/// The bytes of a PNG file with its text chunks before the pixels. What is no valid UTF-8 in a
/// text, and NUL, which PNG forbids, becomes U+FFFD. Throws UsageError if the picture contradicts
/// itself or a keyword is not 1 to 79 printable ASCII characters.
std::vector<std::byte> encode_png(const Image& image, const std::vector<PngText>& texts = {});

/// The text chunks (tEXt, zTXt, iTXt) of a PNG, without decoding pixels. Hostile input: chunk
/// lengths, CRCs and decompressed sizes (16 MiB at most in all) are checked. Throws IoError if it
/// is not a PNG or is cut short.
std::vector<PngText> read_png_texts(std::span<const std::byte> file);

}  // namespace sd
