#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sd {

/// What the user asked for; torch-free, so that options can be checked before LibTorch is loaded.
enum class DTypeChoice { kAuto, kF32, kBF16, kF16 };
/// How weights are held: as the dtype says, or those of the UNet in 8 bits.
enum class WeightsChoice { kAuto, kInt8 };
enum class RngChoice { kDevice, kCpu, kCuda };

/// "auto", "cpu", "cuda", "cuda:1".
struct DeviceChoice {
  enum class Kind { kAuto, kCpu, kCuda } kind = Kind::kAuto;
  /// Of the GPU. Absent: the first, or under srun and mpirun the one of the process's rank on its
  /// machine.
  std::optional<int> index = {};

  bool operator==(const DeviceChoice&) const = default;
};

/// As parse_device takes it.
std::string device_text(const DeviceChoice& device);

/// Throws UsageError for anything but the spellings above.
DeviceChoice parse_device(const std::string& text);
/// One device, or several GPUs by their numbers: "cuda:0,1", "cuda:0,cuda:1". Throws UsageError for
/// anything else, and for a GPU that is named twice.
std::vector<DeviceChoice> parse_devices(const std::string& text);

/// The CPU multiplies bf16 in hardware (AVX512-BF16, AMX or AVX-NE-CONVERT), so bf16 beats float32
/// there.
bool cpu_has_bf16();

/// Whether a GPU may be here: NVIDIA's device node, or that of Windows' Linux. Opens no library.
bool has_gpu_node();

/// Physical cores this process may run on (never 0).
int physical_cores();

}  // namespace sd
