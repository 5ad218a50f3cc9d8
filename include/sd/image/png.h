#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "sd/image/image.h"

namespace sd {

/// A text chunk: written as tEXt where the text is Latin-1 (whose bytes are no UTF-8, which other
/// programs write there and which is read as that), else as iTXt. `text` is UTF-8 here.
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
