#pragma once

#include <string>
#include <vector>

#include "sd/image/mask.h"

namespace sd::cli {

/// What is to be said of a mask: that its alpha channel was taken and what that means, and that it
/// has hardly any white.
std::vector<std::string> mask_notices(const FittedMask& mask);

}  // namespace sd::cli
