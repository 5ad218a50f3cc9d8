#pragma once

#include <string>

namespace sd {

/// The full path of a shared library that belongs to the program. It lies beside the binary or, in
/// an installation, in ../lib/sd. A bare name would not do: a sanitizer's dlopen does not follow
/// the binary's run path. If the library is in neither place, the bare name is returned and the run
/// path decides.
std::string own_library_path(const std::string& name);

}  // namespace sd
