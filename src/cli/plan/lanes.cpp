#include "cli/plan/lanes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "cli/shell/device_words.h"
#include "cli/shell/machine.h"
#include "core/launchers.h"
#include "sd/core/error.h"

namespace sd::cli {

std::vector<DeviceChoice> lanes_of(const DrawOptions& options) {
  std::vector<DeviceChoice> lanes = {options.device};
  lanes.insert(lanes.end(), options.more_devices.begin(), options.more_devices.end());
  // Tests have no GPUs: they draw on as many lanes of the CPU as they say here.
  const char* tested = std::getenv("SD_TEST_CPU_LANES");
  if (tested != nullptr && options.device.kind == DeviceChoice::Kind::kCpu) {
    constexpr int64_t kMost = 8;
    lanes.resize(
        static_cast<std::size_t>(std::clamp<int64_t>(whole_number(tested).value_or(1), 1, kMost)),
        options.device);
  }
  return lanes;
}

std::string lanes_text(const std::vector<DeviceChoice>& lanes) {
  std::string text;
  for (const auto& device : lanes) text += (text.empty() ? "" : ", ") + device_text(device);
  return text;
}

void put_on_lane(DrawPlan& plan, std::size_t lane) {
  plan.options.device = lanes_of(plan.options).at(lane);
  plan.options.more_devices.clear();
  plan.place->lane = lane;
}

void check_devices(const DrawOptions& options) {
  if (options.attn.always) require_one_device(options, "sd attn");
  if (options.attn.saves()) require_one_device(options, "--save_attn_dir");
  if (options.device.kind != DeviceChoice::Kind::kCuda) return;
  const auto machine = this_machine();
  check_device(options.device, machine);
  for (const auto& device : options.more_devices) check_device(device, machine);
}

void require_one_device(const DrawOptions& options, const char* command) {
  if (options.more_devices.empty()) return;
  throw UsageError(
      fmt::format("--device: {} draws on one device, not on {}\nName one of them: --device {}.",
                  command, lanes_text(lanes_of(options)), device_text(options.device)));
}

}  // namespace sd::cli
