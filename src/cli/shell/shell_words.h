#pragma once

#include <string>
#include <vector>

namespace sd::cli {

/// Words of a command line as one line that bash, zsh and ksh read back as them. Plain words stand
/// as they are, others in quotes, and what could steer a terminal in octal within $'…'.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace sd::cli
