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

/// What a picture says of itself: of a PNG the texts before its pixels, also where it is cut behind
/// them, and no more of it is read; of others as read_metadata. Empty for what cannot be read.
std::vector<PngText> leading_texts(const std::filesystem::path& path);

/// Whether a file is what is left of one that was to hold `bytes`: cut, or nothing but zeros from
/// some byte on, as a file system leaves files after a power failure. Not one that is whole.
bool is_remainder_of(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace sd
