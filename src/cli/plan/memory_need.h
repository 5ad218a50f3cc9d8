#pragma once

#include <filesystem>
#include <string>

#include "cli/options/draw_options.h"
#include "cli/shell/machine.h"
#include "cli/shell/memory_words.h"
#include "sd/core/model_config.h"

namespace sd::cli {

/// What drawing on a CPU needs: by the tensors of a model of these sizes and the pictures of one
/// batch.
MemoryNeed memory_need(const DrawOptions& options, const ModelConfig& config,
                       const std::filesystem::path& checkpoint);

/// Bytes of a weight in memory, as it is held in this run.
int64_t weight_element(const DrawOptions& options);

/// Throws OutOfMemory where a run of this need would be killed for certain, by a control group or
/// by the machine.
void require_memory(const MemoryNeed& need, const Machine& machine);

/// Throws OutOfMemory where a run with gradients needs more than is free: what they take is no
/// file's and cannot be dropped, and a run is long.
void require_memory_for_gradients(const MemoryNeed& need, const Machine& machine);

/// What is said where it may just fit; empty where there is enough.
std::string tight_memory_notice(const MemoryNeed& need, const Machine& machine);

}  // namespace sd::cli
