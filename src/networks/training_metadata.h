#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sd/networks/network.h"

namespace sd {

/// What a file's metadata say of its training: its name, its trigger words, its settings.
void read_training(const std::vector<std::pair<std::string, std::string>>& metadata,
                   NetworkInfo& info);

}  // namespace sd
