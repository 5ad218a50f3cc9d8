#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/options/attn_options.h"
#include "sd/core/compute.h"

namespace sd::cli {

/// The words of an option and what they mean, in the order in which help shows them.
template <typename Value>
using Choices = std::vector<std::pair<std::string, Value>>;

const Choices<DTypeChoice>& dtype_choices();
const Choices<RngChoice>& rng_choices();

const Choices<AttnNorm>& attn_norm_choices();
const Choices<AttnKind>& attn_kind_choices();
const Choices<Colormap>& colormap_choices();

std::string name_of(RngChoice rng);
std::string name_of(Colormap colormap);

}  // namespace sd::cli
