#pragma once

#include <optional>
#include <string>

#include "image/bytes.h"

namespace sd {

// An EXIF block is a little TIFF file: offsets in it count from its first byte, here the span's.

// Tags of EXIF 2.32.
inline constexpr uint32_t kImageDescriptionTag = 0x010E;
inline constexpr uint32_t kMakeTag = 0x010F;
inline constexpr uint32_t kModelTag = 0x0110;
inline constexpr uint32_t kOrientationTag = 0x0112;
inline constexpr uint32_t kExifDirectoryTag = 0x8769;
inline constexpr uint32_t kUserCommentTag = 0x9286;

inline constexpr std::size_t kExifEntrySize = 12;

/// The text that holds our settings as JSON, and what stands before them in an ImageDescription.
inline constexpr std::string_view kSettingsKeyword = "sd";
inline constexpr std::string_view kSettingsMark = "sd:";

/// The orientation, 1 to 8; 1 if there is none or the block is damaged.
int exif_orientation(ByteSpan exif);

/// The UserComment as UTF-8, or nothing if there is none or the block is damaged.
std::optional<std::string> exif_user_comment(ByteSpan exif);

/// A text of the first directory, such as the ImageDescription, as UTF-8, or nothing if there is
/// none or the block is damaged.
std::optional<std::string> exif_text(ByteSpan exif, uint32_t tag);

/// The block without the name that some writers leave before it.
ByteSpan without_exif_name(ByteSpan exif);

/// The EXIF block of a JPEG, WebP or PNG file; empty if there is none. A view into `file`.
ByteSpan find_exif(ByteSpan file);

struct JpegHeader {
  int64_t width = 0;
  int64_t height = 0;
  ByteSpan exif;
};

/// Reads the segments before the first scan; nothing if the file is no JPEG or they are cut short
/// or damaged.
std::optional<JpegHeader> read_jpeg_header(ByteSpan file);

/// The EXIF block of a WebP file; empty if there is none. A view into `file`.
ByteSpan webp_exif(ByteSpan file);

}  // namespace sd
