#pragma once

#include <string>

namespace sd {

/// Where a shared library that belongs to the program lies: beside the binary, or in ../lib/sd
/// where it is installed. By full path, since a sanitizer's dlopen does not follow the binary's run
/// path; the bare name, for which the run path has to do, where it is in neither.
std::string own_library_path(const std::string& name);

}  // namespace sd
