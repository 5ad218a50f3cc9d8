#pragma once

#include <string>

namespace sd {

/// Where a shared library that belongs to the program lies: beside what this was linked into
/// (libsd.so, or a half of the program) or in sd/ there, beside the running program, or in
/// ../lib/sd of it where it is installed. By full path, since a sanitizer's dlopen does not follow
/// run paths; the bare name, for which the run path has to do, where it is in none.
std::string own_library_path(const std::string& name);

}  // namespace sd
