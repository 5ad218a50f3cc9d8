#pragma once

#include <string>
#include <vector>

#include "cli/shell/machine.h"
#include "sd/core/compute.h"

namespace sd::cli {

/// The device that `text` names; throws UsageError saying what this one is called here.
DeviceChoice device_of_word(const std::string& text);

/// The devices that `text` names: one, or several GPUs.
std::vector<DeviceChoice> devices_of_word(const std::string& text);

/// Throws UsageError, saying what is there, if `machine` cannot have the CUDA device that was asked
/// for. Whether the driver answers is seen only when LibTorch is opened.
void check_device(const DeviceChoice& device, const Machine& machine);

}  // namespace sd::cli
