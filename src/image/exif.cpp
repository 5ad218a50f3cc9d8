#include "sd/image/exif.h"

#include "image/exif_block.h"
#include "image/exif_comment.h"
#include "image/png_chunks.h"
#include "sd/core/error.h"

namespace sd {
namespace {

constexpr std::string_view kExifName("Exif\0\0", 6);

struct Tiff {
  ByteSpan bytes;
  bool big_endian;

  std::optional<uint32_t> number(std::size_t offset, std::size_t count) const {
    return read_unsigned(bytes, offset, count, big_endian);
  }
};

struct Entry {
  uint32_t type;
  uint32_t count;
  std::size_t value_offset;  // of the four bytes that hold the value or its offset
};

std::optional<Tiff> open_tiff(ByteSpan exif) {
  const auto text = text_of(exif);
  if (text.starts_with(std::string_view("II*\0", 4))) return Tiff{exif, false};
  if (text.starts_with(std::string_view("MM\0*", 4))) return Tiff{exif, true};
  return std::nullopt;
}

/// The entry of `tag` in the directory at `directory`. A directory has 65,535 entries at most, and
/// none is followed twice.
std::optional<Entry> find_entry(const Tiff& tiff, std::size_t directory, uint32_t tag) {
  const auto count = tiff.number(directory, 2);
  if (!count) return std::nullopt;
  for (std::size_t i = 0; i < *count; ++i) {
    const std::size_t at = directory + 2 + i * kExifEntrySize;
    if (!slice(tiff.bytes, at, kExifEntrySize)) return std::nullopt;
    if (tiff.number(at, 2) == tag)
      return Entry{*tiff.number(at + 2, 2), *tiff.number(at + 4, 4), at + 8};
  }
  return std::nullopt;
}

/// Values of up to four bytes stand in the entry, others where it says.
std::optional<ByteSpan> value_of(const Tiff& tiff, const Entry& entry) {
  const std::size_t at =
      entry.count <= 4 ? entry.value_offset : tiff.number(entry.value_offset, 4).value_or(0);
  return slice(tiff.bytes, at, entry.count);
}

std::optional<Entry> find_in_first_directory(const Tiff& tiff, uint32_t tag) {
  const auto directory = tiff.number(4, 4);
  return directory ? find_entry(tiff, *directory, tag) : std::nullopt;
}

}  // namespace

int exif_orientation(ByteSpan exif) {
  const auto tiff = open_tiff(exif);
  const auto entry = tiff ? find_in_first_directory(*tiff, kOrientationTag) : std::nullopt;
  if (!entry) return 1;
  const auto value = tiff->number(entry->value_offset, 2);
  return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
}

std::optional<std::string> exif_user_comment(ByteSpan exif) {
  const auto tiff = open_tiff(exif);
  const auto directory = tiff ? find_in_first_directory(*tiff, kExifDirectoryTag) : std::nullopt;
  const auto offset = directory ? tiff->number(directory->value_offset, 4) : std::nullopt;
  const auto entry = offset ? find_entry(*tiff, *offset, kUserCommentTag) : std::nullopt;
  const auto value = entry ? value_of(*tiff, *entry) : std::nullopt;
  auto comment = value ? decode_user_comment(*value) : std::string();
  if (comment.empty()) return std::nullopt;
  return comment;
}

std::optional<std::string> exif_text(ByteSpan exif, uint32_t tag) {
  const auto tiff = open_tiff(exif);
  const auto entry = tiff ? find_in_first_directory(*tiff, tag) : std::nullopt;
  const auto value = entry ? value_of(*tiff, *entry) : std::nullopt;
  auto text = value ? decode_plain_text(*value) : std::string();
  if (text.empty()) return std::nullopt;
  return text;
}

ByteSpan without_exif_name(ByteSpan exif) {
  return text_of(exif).starts_with(kExifName) ? exif.subspan(kExifName.size()) : exif;
}

std::optional<JpegHeader> read_jpeg_header(ByteSpan file) {
  constexpr uint32_t kStartOfImage = 0xFFD8;
  constexpr uint32_t kApp1 = 0xE1;
  constexpr uint32_t kStartOfScan = 0xDA;
  constexpr uint32_t kEndOfImage = 0xD9;
  if (read_unsigned(file, 0, 2, true) != kStartOfImage) return std::nullopt;
  const auto is_frame = [](uint32_t marker) {  // C4, C8 and CC are tables
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
  };
  const auto stands_alone = [](uint32_t marker) {
    return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7);
  };
  JpegHeader header;
  std::size_t at = 2;
  while (true) {
    const auto prefix = read_unsigned(file, at, 1, true);
    const auto marker = read_unsigned(file, at + 1, 1, true);
    if (prefix != 0xFFu || !marker) return std::nullopt;
    if (*marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    at += 2;
    if (stands_alone(*marker)) continue;
    if (*marker == kStartOfScan) break;
    if (*marker == kEndOfImage) return std::nullopt;
    const auto length = read_unsigned(file, at, 2, true);
    const auto segment = length && *length >= 2 ? slice(file, at, *length) : std::nullopt;
    if (!segment) return std::nullopt;
    if (is_frame(*marker) && segment->size() >= 7) {  // length 2, precision 1, height 2, width 2
      header.height = *read_unsigned(*segment, 3, 2, true);
      header.width = *read_unsigned(*segment, 5, 2, true);
    }
    if (*marker == kApp1 && header.exif.empty() &&
        text_of(segment->subspan(2)).starts_with(kExifName)) {
      header.exif = segment->subspan(2 + kExifName.size());
    }
    at += *length;
  }
  return header;
}

namespace {

/// Nothing of a PNG that is damaged before its block.
ByteSpan png_exif(ByteSpan file) {
  ByteSpan exif;
  try {
    for_each_png_chunk(file, [&](const PngChunk& chunk) {
      if (chunk.type == "eXIf" && exif.empty()) exif = without_exif_name(chunk.body);
    });
  } catch (const IoError&) {
    return {};
  }
  return exif;
}

}  // namespace

ByteSpan find_exif(ByteSpan file) {
  if (const auto jpeg = read_jpeg_header(file)) return jpeg->exif;
  if (text_of(file).starts_with(kPngSignature)) return png_exif(file);
  return webp_exif(file);
}

std::optional<std::string> read_exif_user_comment(ByteSpan file) {
  return exif_user_comment(find_exif(file));
}

}  // namespace sd
