#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sd/weights/control_file.h"
#include "weights/expected_tensors.h"

namespace sd {

/// What names show; nothing where they are those of no control net.
std::optional<ControlKind> control_kind(const std::vector<std::string>& names);

/// Throws CheckpointError for a net of a family that is not drawn from (Stable Diffusion XL, 3,
/// FLUX), or of another kind than ControlNet 1.x, naming it.
void require_first_generation(const TensorSource& tensors);

/// The net's tensors by the names of ControlFile::tensors; what else is in the file is left out.
std::unique_ptr<TensorSource> with_control_names(std::unique_ptr<TensorSource> tensors,
                                                 ControlKind kind);

/// What cldm's ControlNet holds for a UNet of this configuration, by its own names.
std::vector<ExpectedTensor> expected_control_net(const ModelConfig& model);

}  // namespace sd
