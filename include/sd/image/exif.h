#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace sd {

/// The EXIF UserComment of a JPEG, WebP or PNG file as UTF-8: where AUTOMATIC1111's web UI keeps
/// the infotext of pictures that are not PNG. Nothing if there is none, it is empty, or the file is
/// damaged. Hostile input is safe.
std::optional<std::string> read_exif_user_comment(std::span<const std::byte> file);

}  // namespace sd
