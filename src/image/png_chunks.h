#pragma once

#include <functional>
#include <string_view>

#include "image/bytes.h"
#include "image/decoders.h"
#include "sd/image/png.h"

namespace sd {

inline constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

struct PngChunk {
  std::string_view type;  // four letters
  ByteSpan body;
  std::size_t offset;  // of the chunk in the file
};

/// Calls `visit` for every chunk from IHDR to IEND. Throws IoError where the signature or the first
/// chunk is wrong, the file ends inside or before a chunk, or a check sum does not match.
void for_each_png_chunk(ByteSpan file, const std::function<void(const PngChunk&)>& visit);

/// Size told by the body of IHDR, which for_each_png_chunk has found to be whole.
PictureSize png_size(const PngChunk& header);

/// What a tEXt, zTXt or iTXt chunk holds. At most `budget` bytes of text are taken; what they use
/// (and the room of a PngText, so that a million empty chunks are no way around) is subtracted from
/// it. Throws IoError if the chunk is malformed or the budget is spent.
PngText parse_png_text(const PngChunk& chunk, std::size_t& budget);

/// Text of all text chunks of one file together: far more than any program writes, little enough
/// for any machine.
inline constexpr std::size_t kPngTextBudget = std::size_t{16} << 20;

inline bool is_png_text(const PngChunk& chunk) {
  return chunk.type == "tEXt" || chunk.type == "zTXt" || chunk.type == "iTXt";
}

}  // namespace sd
