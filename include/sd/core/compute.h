#pragma once

#include <cstdint>
#include <string>

namespace sd {

/// What the user asked for; torch-free, so that options can be checked before LibTorch is loaded.
enum class DTypeChoice { kAuto, kF32, kBF16, kF16 };
/// How weights are held: as the dtype says, or those of the UNet in 8 bits.
enum class WeightsChoice { kAuto, kInt8 };
enum class RngChoice { kDevice, kCpu, kCuda };

/// "auto", "cpu", "cuda", "cuda:1".
struct DeviceChoice {
  enum class Kind { kAuto, kCpu, kCuda } kind = Kind::kAuto;
  int index = 0;
};

/// Throws UsageError for anything but the spellings above.
DeviceChoice parse_device(const std::string& text);

/// The CPU multiplies bf16 in hardware (AVX512-BF16, AMX or AVX-NE-CONVERT), so bf16 beats float32
/// there.
bool cpu_has_bf16();

/// Whether a GPU may be here: NVIDIA's device node, or that of Windows' Linux. Opens no library.
bool has_gpu_node();

/// Physical cores this process may run on (never 0).
int physical_cores();

}  // namespace sd
