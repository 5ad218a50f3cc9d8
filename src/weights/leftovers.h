#pragma once

#include <string>

namespace sd {

/// True for names that checkpoints carry and inference does not need: schedule buffers,
/// position_ids, EMA copies, the loss.
bool may_be_ignored(const std::string& name);

}  // namespace sd
