#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// "a {red|green} {car|bus}": every combination as a prompt of its own, those of the last braces
/// changing first. Choices nest; a bar in square brackets inside braces is theirs. Braces that hold
/// no bar or have no partner stay text, as do "\{" and "\}", and "\|" inside braces, without the
/// backslash. Throws UsageError, saying how many there are, if they are more than `most` or come to
/// more than 16 MB of text.
std::vector<std::string> expand_choices(std::string_view prompt, std::size_t most);

/// Whether there is anything to choose.
bool has_choices(std::string_view prompt);

}  // namespace sd
