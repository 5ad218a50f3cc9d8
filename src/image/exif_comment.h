#pragma once

#include <string>

#include "image/bytes.h"

namespace sd {

/// A UserComment as well-formed UTF-8 without padding: behind its character code (EXIF 2.32, table
/// 9) or, as some writers have it, without one. Codes are promises that writers break, so text that
/// is plainly in another encoding is read as that. Empty if there is no text.
std::string decode_user_comment(ByteSpan comment);

/// Text whose encoding nobody names, as well-formed UTF-8 without padding: UTF-8 where it is that,
/// UTF-16 where every other byte is zero, else Latin-1.
std::string decode_plain_text(ByteSpan text);

}  // namespace sd
