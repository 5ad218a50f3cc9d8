#pragma once

#include <memory>

#include "sd/core/model_config.h"
#include "sd/pipeline/convert.h"
#include "sd/weights/open.h"

namespace sd {

/// The model with the request's networks merged into it as its tensors are read; `report` says what
/// was matched. Throws CheckpointError as open_network and bind_network do, UsageError where
/// averaged weights would be kept as they are beside merged ones.
std::unique_ptr<TensorSource> merge_networks(std::unique_ptr<TensorSource> model,
                                             const ModelConfig& config,
                                             const ConvertRequest& request, ConvertReport& report);

/// Notes the networks in what the file says of itself, behind those that it had already.
void note_networks(const ConvertRequest& request, Metadata& metadata);

}  // namespace sd
