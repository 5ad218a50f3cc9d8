#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "sd/image/png.h"

namespace sd {

/// Whether a file is a PNG, JPEG or WebP to its end, by its size and its first and last bytes: what
/// stands between is not looked at. False for whatever else, also for what cannot be read.
bool ends_as_picture(const std::filesystem::path& path);

/// Whether a file is empty, or begins as a PNG, JPEG or WebP (or with zeros) without ending as one.
bool may_be_cut(const std::filesystem::path& path);

/// The texts of a picture file. For a PNG these are the texts before its pixels; nothing behind
/// them is read, so the file may be cut there. For other formats they are those of read_metadata.
/// Empty if the file cannot be read.
std::vector<PngText> leading_texts(const std::filesystem::path& path);

/// Whether a file holds the beginning of `bytes` and then ends, or holds nothing but zeros from
/// some byte on. A power failure leaves such files. False for a file that holds all of `bytes`.
bool is_remainder_of(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace sd
