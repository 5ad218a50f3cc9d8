#pragma once

#include <string>
#include <string_view>

namespace sd::cli {

/// Shortens a message for people. cut_text cuts each word, such as a name or a path. A line that is
/// still too long to be read is cut, too.
std::string cut_words(std::string_view message);

}  // namespace sd::cli
