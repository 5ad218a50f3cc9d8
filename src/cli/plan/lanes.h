#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/plan/draw_plan.h"
#include "sd/core/compute.h"

namespace sd::cli {

/// The devices that share the work of a command, in the order in which they were named. Each is a
/// lane: units of work (tasks, cells, batches) go to whichever is free, and are told of in order.
std::vector<DeviceChoice> lanes_of(const DrawOptions& options);

/// "cuda:0, cuda:1".
std::string lanes_text(const std::vector<DeviceChoice>& lanes);

/// Makes the plan of a unit that is drawn on one lane alone.
void put_on_lane(DrawPlan& plan, std::size_t lane);

/// Throws UsageError for a device that is not there, and for several where the files of a batch
/// build upon those of another.
void check_devices(const DrawOptions& options);
/// Throws UsageError for several devices, which `command` does not divide anything among.
void require_one_device(const DrawOptions& options, const char* command);

}  // namespace sd::cli
