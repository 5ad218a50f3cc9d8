#pragma once

#include <cstdint>
#include <functional>

namespace sd {

/// Calls task(0 … count − 1) on LibTorch's threads, each of which takes the next one when it is
/// free: a core that another program holds up delays one task, not its share of all. In what order
/// they run is not defined. The first exception is thrown on.
void run_tasks(int64_t count, const std::function<void(int64_t)>& task);

}  // namespace sd
