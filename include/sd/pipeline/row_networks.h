#pragma once

#include <vector>

#include "sd/networks/apply.h"
#include "sd/text/network_words.h"

namespace sd {

/// A LoRA that some rows of a batch have, or some of its steps. It acts on what the text encoder
/// makes of these rows' prompts, the negative one too, and on the UNet in these steps; the model's
/// weights stay as they are.
struct RowNetwork {
  AppliedNetwork applied;
  NetworkSteps steps = {};      // of the UNet
  std::vector<bool> rows = {};  // of every branch's samples, the source's last; empty: all
};

}  // namespace sd
