#include "image/png_chunks.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>

#include "image/unicode.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::size_t kHeaderBody = 13;

[[noreturn]] void fail(const PngChunk& chunk, std::string_view problem) {
  throw IoError(fmt::format("PNG {} chunk at byte {}: {}", chunk.type, chunk.offset, problem));
}

/// The chunk at `offset`, its check sum verified.
PngChunk read_chunk(ByteSpan file, std::size_t offset) {
  const auto length = read_unsigned(file, offset, 4, true);
  const auto type = slice(file, offset + 4, 4);
  if (!length || !type) {
    throw IoError(
        fmt::format("PNG is cut short: a chunk was expected at byte {}, the file has {} bytes",
                    offset, file.size()));
  }
  const auto is_letter = [](std::byte b) {
    const auto c = std::to_integer<int>(b) | 0x20;
    return c >= 'a' && c <= 'z';
  };
  if (!std::all_of(type->begin(), type->end(), is_letter)) {
    throw IoError(fmt::format("PNG is damaged: no chunk name at byte {}", offset + 4));
  }
  const auto checked = slice(file, offset + 4, std::size_t{4} + *length);
  const auto crc = read_unsigned(file, offset + 8 + *length, 4, true);
  if (!checked || !crc) {
    throw IoError(
        fmt::format("PNG is cut short: the {} chunk at byte {} has {} bytes, the file only {}",
                    text_of(*type), offset, *length, file.size()));
  }
  const PngChunk chunk{text_of(*type), checked->subspan(4), offset};
  const auto found = crc32_z(0, reinterpret_cast<const Bytef*>(checked->data()), checked->size());
  if (found != *crc)
    fail(chunk,
         fmt::format("check sum is {:08x}, expected {:08x}: the file is damaged", found, *crc));
  return chunk;
}

/// Ends a zlib stream however the function is left.
class Inflater {
 public:
  Inflater() { ready_ = inflateInit(&stream_) == Z_OK; }
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool ready() const { return ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

void spend(const PngChunk& chunk, std::size_t& budget, std::size_t count) {
  if (count > budget) fail(chunk, fmt::format("the file's texts exceed {} bytes", kPngTextBudget));
  budget -= count;
}

std::string inflate_text(const PngChunk& chunk, ByteSpan compressed, std::size_t& budget) {
  Inflater inflater;
  if (!inflater.ready()) fail(chunk, "zlib could not start");
  z_stream& stream = inflater.stream();
  // zlib's interface is not const-correct; it only reads here. A chunk has under 2^32 bytes, as
  // avail_in does.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string text;
  std::array<char, 16384> piece;
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    status = inflate(&stream, Z_NO_FLUSH);
    spend(chunk, budget, piece.size() - stream.avail_out);
    text.append(piece.data(), piece.size() - stream.avail_out);
  }
  if (status != Z_STREAM_END) fail(chunk, "the compressed text is damaged");
  return text;
}

/// The bytes of `body` up to the next NUL at or after `at`; `at` moves behind it.
std::string_view take_field(const PngChunk& chunk, std::size_t& at) {
  const auto body = text_of(chunk.body);
  const auto end = body.find('\0', at);
  if (end == std::string_view::npos) fail(chunk, "a field does not end");
  const auto field = body.substr(at, end - at);
  at = end + 1;
  return field;
}

uint32_t take_byte(const PngChunk& chunk, std::size_t& at) {
  const auto value = read_unsigned(chunk.body, at, 1, true);
  if (!value) fail(chunk, "ends before its text");
  ++at;
  return *value;
}

}  // namespace

void for_each_png_chunk(ByteSpan file, const std::function<void(const PngChunk&)>& visit) {
  if (!text_of(file).starts_with(kPngSignature)) {
    throw IoError("not a PNG: the first 8 bytes are not its signature");
  }
  std::size_t offset = kPngSignature.size();
  PngChunk chunk = read_chunk(file, offset);
  if (chunk.type != "IHDR" || chunk.body.size() != kHeaderBody) {
    fail(chunk, fmt::format("expected IHDR with {} bytes first", kHeaderBody));
  }
  visit(chunk);
  while (chunk.type != "IEND") {
    offset += 12 + chunk.body.size();  // length, name and check sum have 4 bytes each
    chunk = read_chunk(file, offset);
    visit(chunk);
  }
}

PictureSize png_size(const PngChunk& header) {
  return {*read_unsigned(header.body, 0, 4, true), *read_unsigned(header.body, 4, 4, true)};
}

PngText parse_png_text(const PngChunk& chunk, std::size_t& budget) {
  std::size_t at = 0;
  const auto keyword = take_field(chunk, at);
  if (keyword.empty() || keyword.size() > 79) fail(chunk, "the keyword must have 1 to 79 bytes");
  bool compressed = chunk.type == "zTXt";
  if (chunk.type == "iTXt") compressed = take_byte(chunk, at) != 0;
  if (chunk.type != "tEXt") {
    const auto method = take_byte(chunk, at);
    if (compressed && method != 0)
      fail(chunk, fmt::format("compression method {} is not known (0: zlib)", method));
  }
  if (chunk.type == "iTXt") {
    take_field(chunk, at);  // language
    take_field(chunk, at);  // translated keyword
  }
  const auto rest = chunk.body.subspan(at);
  spend(chunk, budget, sizeof(PngText) + (compressed ? 0 : rest.size()));
  const auto raw = compressed ? inflate_text(chunk, rest, budget) : std::string(text_of(rest));
  if (chunk.type == "iTXt") return {latin1_to_utf8(keyword), repair_utf8(raw)};
  // Some programs write UTF-8 where the specification has Latin-1.
  return {latin1_to_utf8(keyword), is_utf8(raw) ? raw : latin1_to_utf8(raw)};
}

std::vector<PngText> read_png_texts(ByteSpan file) {
  std::vector<PngText> texts;
  std::size_t budget = kPngTextBudget;
  for_each_png_chunk(file, [&](const PngChunk& chunk) {
    if (is_png_text(chunk)) texts.push_back(parse_png_text(chunk, budget));
  });
  return texts;
}

}  // namespace sd
