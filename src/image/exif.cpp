#include "sd/image/exif.h"

#include <algorithm>

#include "image/exif_block.h"
#include "image/unicode.h"

namespace sd {
namespace {

constexpr std::size_t kCodeSize = 8;  // of the character code that begins a UserComment

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

std::optional<Entry> find_in_first_directory(const Tiff& tiff, uint32_t tag) {
  const auto directory = tiff.number(4, 4);
  return directory ? find_entry(tiff, *directory, tag) : std::nullopt;
}

/// Writers disagree on the byte order of "UNICODE" comments: piexif always writes big-endian,
/// others follow the block. Infotexts always hold ASCII, whose high bytes are zero, so the order
/// with more of them is the right one.
bool looks_big_endian(ByteSpan utf16) {
  std::size_t high_first = 0;
  std::size_t low_first = 0;
  for (std::size_t i = 0; i + 1 < utf16.size(); i += 2) {
    high_first += utf16[i] == std::byte{0};
    low_first += utf16[i + 1] == std::byte{0};
  }
  return high_first >= low_first;
}

std::string decode_utf16_comment(ByteSpan text) {
  const auto mark = read_unsigned(text, 0, 2, true);
  if (mark == 0xFEFFu) return utf16_to_utf8(text.subspan(2), true);
  if (mark == 0xFFFEu) return utf16_to_utf8(text.subspan(2), false);
  return utf16_to_utf8(text, looks_big_endian(text));
}

/// Without the NULs and blanks that writers pad with.
std::string trim(std::string text) {
  const auto last = text.find_last_not_of(std::string_view("\0 \t\r\n", 5));
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text;
}

/// Text whose encoding nobody names: UTF-8 where it is that, else Latin-1.
std::string decode_bytes(ByteSpan text) {
  const auto bytes = trim(std::string(text_of(text)));
  return repair_utf8(bytes) == bytes ? bytes : latin1_to_utf8(bytes);
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
  // Values of up to four bytes stand in the entry; a comment's character code alone has eight.
  if (!entry || entry->count <= kCodeSize) return std::nullopt;
  const auto value =
      slice(tiff->bytes, tiff->number(entry->value_offset, 4).value_or(0), entry->count);
  if (!value) return std::nullopt;
  const auto code = text_of(value->first(kCodeSize));
  const auto text = value->subspan(kCodeSize);
  const auto comment = code == std::string_view("UNICODE\0", kCodeSize)
                           ? trim(decode_utf16_comment(text))
                           : decode_bytes(text);
  if (comment.empty()) return std::nullopt;
  return repair_utf8(comment);
}

std::optional<std::string> exif_description(ByteSpan exif) {
  const auto tiff = open_tiff(exif);
  const auto entry = tiff ? find_in_first_directory(*tiff, kImageDescriptionTag) : std::nullopt;
  if (!entry) return std::nullopt;
  const std::size_t at =
      entry->count <= 4 ? entry->value_offset : tiff->number(entry->value_offset, 4).value_or(0);
  const auto value = slice(tiff->bytes, at, entry->count);
  const auto text = value ? decode_bytes(*value) : std::string();
  if (text.empty()) return std::nullopt;
  return repair_utf8(text);
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
  const std::string_view exif_name("Exif\0\0", 6);
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
        text_of(segment->subspan(2)).starts_with(exif_name)) {
      header.exif = segment->subspan(2 + exif_name.size());
    }
    at += *length;
  }
  return header;
}

ByteSpan find_exif(ByteSpan file) {
  if (const auto jpeg = read_jpeg_header(file)) return jpeg->exif;
  return webp_exif(file);
}

std::optional<std::string> read_exif_user_comment(ByteSpan file) {
  return exif_user_comment(find_exif(file));
}

}  // namespace sd
