#pragma once

#include <string>
#include <string_view>

namespace sd::cli {

/// A message for people: each word of it, such as a name or a path, is cut as cut_text does, and
/// each line where it is too long to be read, whatever it is made of.
std::string cut_words(std::string_view message);

}  // namespace sd::cli
