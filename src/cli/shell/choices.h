#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sd/core/compute.h"

namespace sd::cli {

/// The words of an option and what they mean, in the order in which help shows them.
template <typename Value>
using Choices = std::vector<std::pair<std::string, Value>>;

const Choices<DTypeChoice>& dtype_choices();
const Choices<RngChoice>& rng_choices();

std::string name_of(RngChoice rng);

}  // namespace sd::cli
