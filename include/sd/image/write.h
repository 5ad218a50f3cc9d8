#pragma once

#include <filesystem>
#include <vector>

#include "sd/image/image.h"
#include "sd/image/png.h"

namespace sd {

/// Writes a picture that says `texts` of itself in the format that the name's ending says (.png,
/// .jpg, .jpeg, .webp), whole or not at all, over what had this name. Throws UsageError for another
/// ending and as encode_picture does, IoError where it cannot be written.
void write_picture(const std::filesystem::path& path, const Image& image,
                   const std::vector<PngText>& texts = {});

}  // namespace sd
