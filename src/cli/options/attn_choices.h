#pragma once

#include <string>

#include "cli/options/attn_options.h"
#include "cli/shell/choices.h"

namespace sd::cli {

const Choices<AttnNorm>& attn_norm_choices();
const Choices<AttnKind>& attn_kind_choices();
const Choices<Colormap>& colormap_choices();

std::string name_of(Colormap colormap);

}  // namespace sd::cli
